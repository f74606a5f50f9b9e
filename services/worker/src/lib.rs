//! The consumer group: fetch, execute, settle; renew what runs, reap what died. Also the SDK to embed handlers.
//!
//! Invariants. An execution ends in exactly one of settle, bury, hand back, or nothing, and nothing is what a lost
//! lease leads to. Whatever is leased stands in [`held`] until Redis has answered for it. Nothing is leased without a
//! free slot to run it in. Leases are renewed from a thread of their own, so a handler that hogs the runtime cannot
//! lose them. No loop ends on an error. Absent on purpose: a leader, a timer that flushes batches, a transfer of a live
//! entry to another worker.
//!
//! In reading order, the path of an attempt: [`fetcher`] leases, with its [`appetite`], through the [`reader`] of the
//! streams, woken by the [`bell`], and after an error from its [`history`]; [`executor`] runs an [`attempt`];
//! [`settler`] records. Beside it, all of one shape: [`starter`], [`renewer`], [`reaper`], [`heart`]. For users:
//! [`handler`], [`context`], [`handlers`]. [`worker`] wires, [`drain`] ends.
//!
//! A handler is a type with a kind; a worker is a configuration, handlers and a store:
//!
//! ```no_run
//! use worker::{Config, Context, Handler, HandlerError, Handlers};
//!
//! #[derive(serde::Deserialize)]
//! struct Page {
//!     text: String,
//! }
//!
//! struct CountWords;
//!
//! impl Handler for CountWords {
//!     const KIND: &'static str = "count_words";
//!     type Input = Page;
//!     type Output = usize;
//!     async fn execute(&self, _: &Context, page: Page) -> Result<usize, HandlerError> {
//!         Ok(page.text.split_whitespace().count())
//!     }
//! }
//!
//! # async fn example(store: redis_store::Store) -> Result<(), worker::WorkerError> {
//! let shutdown = tokio_util::sync::CancellationToken::new();
//! let handlers = Handlers::default().with(CountWords);
//! worker::run(Config::default(), handlers, store, telemetry::Pulse::default(), shutdown).await
//! # }
//! ```

mod appetite;
mod attempt;
mod bell;
mod canceller;
mod clock;
pub mod config;
pub mod context;
mod drain;
mod due;
mod ending;
mod epoch;
mod executor;
mod fetcher;
pub mod handler;
pub mod handlers;
mod handling;
mod heart;
mod held;
mod history;
mod parents;
mod pause;
mod promoter;
mod reader;
mod reaper;
mod recording;
mod renewer;
mod returner;
mod settler;
mod shared;
mod solitude;
mod starter;
mod watchdog;
pub mod worker;

pub use config::{Config, ConfigError};
pub use context::Context;
pub use handler::{Handler, HandlerError, Handlers};
pub use worker::{WorkerError, run};
