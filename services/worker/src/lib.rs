//! The consumer group: fetch, execute, settle; renew what runs, reap what died. Also the SDK to embed handlers.
//!
//! Invariants. An execution ends in exactly one of settle, bury, hand back, or nothing, and nothing is what a lost
//! lease leads to. Whatever is leased stands in [`held`] until Redis has answered for it. Leases are renewed from a
//! thread of their own, so a handler that hogs the runtime cannot lose them. No loop ends on an error. Absent on
//! purpose: a leader, a timer that flushes batches, a transfer of a live entry to another worker.
//!
//! In reading order, the path of an attempt: [`fetcher`] leases, [`executor`] runs, [`settler`] records. Beside it,
//! all of one shape: [`starter`], [`renewer`], [`reaper`], [`heart`]. For users: [`handler`], [`context`],
//! [`handlers`]. [`worker`] wires and drains.

pub mod config;
pub mod context;
mod executor;
mod fetcher;
pub mod handler;
pub mod handlers;
mod heart;
mod held;
mod pause;
mod reaper;
mod renewer;
mod settler;
mod starter;
pub mod worker;

pub use config::{Config, ConfigError};
pub use context::Context;
pub use handler::{Handler, HandlerError, Handlers};
pub use worker::{WorkerError, run};
