//! The consumer group: fetch, execute, settle; renew what runs, reap what died. Also the SDK to embed handlers.
//!
//! Invariants. An execution ends in exactly one of settle, retry, bury, park, hand back, or nothing, and nothing is
//! what a lost lease leads to. Whatever is leased stands in [`held`] until Redis has answered for it. Nothing is leased
//! without a free slot to run it in. Leases are renewed from a thread of their own, so a handler that hogs the runtime
//! cannot lose them. No loop ends on an error. Absent on purpose: a leader, a timer that flushes batches, a transfer of
//! a live entry to another worker, a clock of this machine that decides anything about another's.
//!
//! In reading order, the path of an attempt: [`fetcher`] leases, with its [`appetite`], through the [`reader`] of the
//! streams, woken by the [`bell`], and after an error from its [`history`]; [`executor`] makes an [`attempt`] of it,
//! with what its [`parents`] left, and in [`solitude`] if workers have died with it; [`ending`] judges how it went;
//! [`settler`] sends the [`recording`]. Beside it, all of one shape: [`starter`], [`reaper`], [`promoter`] by what is
//! [`due`], [`heart`]; and on a thread of their own [`renewer`], [`canceller`], [`returner`] and [`watchdog`], who
//! looks at what is [`handling`]. All share what is in [`shared`], above all the [`lease`]s that are [`held`], with the
//! [`clock`] and the [`epoch`] of Redis, and the [`metrics`]; [`traced`] is what an attempt is in traces; [`pause`]
//! waits after an error, [`turn`] lets others go first. For users: [`handler`], [`context`], [`handlers`]. [`worker`]
//! wires, [`drain`] ends.
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
//!
//! A handler says how it failed, and the worker does the rest: [`HandlerError::Retryable`] is tried again after a pause
//! that grows with the attempts, [`HandlerError::RetryAfter`] after the pause that it names, [`HandlerError::Fatal`]
//! never. A panic and a timeout are like the first. Each attempt counts up to the `max_attempts` of the subtask, the
//! death of a worker does not. What a subtask depends on, it finds by name in its [`Context`]:
//!
//! ```
//! use std::time::Duration;
//! use worker::{Context, Handler, HandlerError};
//!
//! struct Publish;
//!
//! impl Handler for Publish {
//!     const KIND: &'static str = "publish";
//!     type Input = serde::de::IgnoredAny;
//!     type Output = String;
//!     async fn execute(&self, ctx: &Context, _: Self::Input) -> Result<String, HandlerError> {
//!         let words: usize = ctx.output_of("count")?;
//!         // One that may have failed, because its `on_failure` is `continue`, or whose result has expired.
//!         let review = ctx.parents().get("review").and_then(Option::as_ref);
//!         if review.is_some_and(|review| review.error.is_some()) {
//!             return Err(HandlerError::Fatal("it was not approved".to_owned()));
//!         }
//!         match put(words, ctx.idempotency_key().as_str()).await {
//!             Ok(address) => Ok(address),
//!             Err(Busy) => Err(HandlerError::RetryAfter(Duration::from_secs(30), "the host is busy".to_owned())),
//!         }
//!     }
//! }
//! # struct Busy;
//! # async fn put(_: usize, _: &str) -> Result<String, Busy> { Ok(String::new()) }
//! ```
//!
//! It is stopped at its next await when its time is over or its task was cancelled. What no await reaches belongs in
//! `tokio::task::spawn_blocking`, with an eye on [`Context::cancelled`].

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
mod lease;
mod metrics;
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
mod traced;
mod turn;
mod watchdog;
pub mod worker;

pub use config::{Config, ConfigError};
pub use context::Context;
pub use handler::{Handler, HandlerError, Handlers};
pub use metrics::WorkerMetrics;
pub use worker::{WorkerError, run};
