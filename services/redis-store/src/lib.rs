//! Every key, every script and every command of Millstream: the only crate that knows Redis.
//!
//! It holds no policy: it records a decision atomically, if the caller still has the right to record it. Every
//! transition is one Lua script in `lua/`, sent by EVALSHA and safe to run twice, because a lost reply is answered by
//! sending the script again. A command that is not safe to run twice (a plain XADD, HINCRBY) is never sent. All errors
//! are one small enum that says what a loop should do about them.
//!
//! In reading order: [`key`] the names; [`client`] the connection and its patience; then one file for each script, in
//! the order of a task's path, [`submit`] to [`expire`]; in [`books`] everything of one task, and what mends it where a
//! hand broke it: [`reopen`], [`recount`], [`relist`], [`adopt`], [`exorcise`], [`undelay`], [`retell`], [`restore`];
//! [`api_keys`], [`throttle`] and [`note`] what guards the API; [`webhooks`] who is told of ends; [`read`] and
//! [`listing`] what people ask for, [`stream_state`] and [`fleet`] what operators do, [`gauges`] what a scrape does;
//! [`tail`] the log for whoever follows it; [`task_end`] what whoever ends a task is told; [`server`] what the
//! connected Redis is and promises.

pub mod adopt;
pub mod api_keys;
mod batch;
pub mod books;
pub mod bury;
pub mod cancel;
pub mod client;
pub mod collect_consumer;
pub mod dead_letters;
pub mod epoch;
pub mod error;
mod error_counts;
pub mod events;
pub mod exorcise;
pub mod expire;
pub mod fetch;
pub mod fleet;
pub mod fold;
pub mod gate;
pub mod gauges;
pub mod hand_back;
pub mod heartbeat;
pub mod keep;
pub mod key;
pub mod kinds;
pub mod listing;
mod members;
pub mod note;
pub mod promote;
pub mod read;
pub mod reap;
pub mod recount;
pub mod relist;
pub mod renew;
pub mod reopen;
pub mod requeue;
pub mod restore;
pub mod retell;
pub mod retry;
pub mod script;
pub mod server;
pub mod settle;
pub mod start;
pub mod stream_state;
pub mod submit;
pub mod tail;
pub mod task_end;
pub mod throttle;
pub mod undelay;
mod unfolded;
mod value;
pub mod webhooks;

pub use client::{RedisConfig, Store};
pub use error::StoreError;
pub use error_counts::ERROR_CLASSES;
pub use key::Stream;
