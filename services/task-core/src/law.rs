//! The law of every script: what each one changes in the books, as pure functions.
//!
//! [`Books`] is the whole keyspace as values, without keys. Each transition is a method with the name of its script: it
//! takes a [`Moment`] (the server's time and the ids it gives out) and an order, and answers as the script does. An
//! acknowledgement that finds nothing pending is the fence everywhere: nothing else is written for that entry.
//!
//! In reading order: [`stream`] and [`books`] the model, with [`dependencies`] a task's plan, [`body`] an entry that
//! waits and [`dead_letter`] one that gave up; [`identity`] and [`entry`] what a script reads out of an entry and
//! changes in it; then a transition a file, in the order of a task's path: [`submit`], [`start`], [`settle`],
//! [`retry`], [`bury`], [`hand_back`], [`reap`], [`promote`], [`fold`] and [`release`], [`cancel`], [`requeue`],
//! [`exhume`], [`expire`], [`collect_consumer`]; last those that mend what a hand broke: [`reopen`], [`recount`],
//! [`relist`], [`adopt`], [`exorcise`], [`undelay`], [`retell`], [`restore`].

pub mod adopt;
pub mod body;
pub mod books;
pub mod bury;
pub mod cancel;
pub mod collect_consumer;
pub mod dead_letter;
pub mod dependencies;
pub mod entry;
pub mod exhume;
pub mod exorcise;
pub mod expire;
pub mod fold;
pub mod hand_back;
pub mod identity;
pub mod promote;
pub mod reap;
pub mod recount;
pub mod release;
pub mod relist;
pub mod reopen;
pub mod requeue;
pub mod restore;
pub mod retell;
pub mod retry;
pub mod settle;
pub mod start;
pub mod stream;
pub mod submit;
pub mod undelay;

pub use books::{Books, StoredKey, StoredResult, TaskBook};
pub use dependencies::{Dependencies, PlanField};
pub use stream::{EntryId, Fields, Group, Moment, Pending, Stream, StreamName};
