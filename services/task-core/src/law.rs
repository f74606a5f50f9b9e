//! The law of every script: what each one changes in the books, as pure functions.
//!
//! [`Books`] is the whole keyspace as values, without keys. Each transition is a method with the name of its script: it
//! takes a [`Moment`] (the server's time and the ids it gives out) and an order, and answers as the script does. An
//! acknowledgement that finds nothing pending is the fence everywhere: nothing else is written for that entry.
//!
//! In reading order: [`stream`] and [`books`] the model; [`identity`] what a script reads out of an entry; then a transition a file, in
//! the order of a task's path: [`submit`], [`start`], [`settle`], [`bury`], [`hand_back`], [`reap`], [`fold`],
//! [`recount`], [`expire`], [`collect_consumer`].

pub mod books;
pub mod bury;
pub mod collect_consumer;
pub mod expire;
pub mod fold;
pub mod hand_back;
pub mod identity;
pub mod reap;
pub mod recount;
pub mod settle;
pub mod start;
pub mod stream;
pub mod submit;

pub use books::{Books, StoredResult, TaskBook};
pub use stream::{EntryId, Fields, Group, Moment, Pending, Stream, StreamName};
