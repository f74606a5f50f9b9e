//! The rules of Millstream, pure: plan, fold, priority shares, and the law of every script.
//!
//! Nothing here is async, reads a clock, draws a random number or does I/O: times and ids are arguments, so every rule
//! can be tested on any history. The crate knows no Redis and no key; `redis-store` does the same in scripts, and the
//! differential tests hold the two against each other.
//!
//! In reading order: [`plan`] from a description to subtasks; [`graph`] what they depend on; [`share`] which priority
//! is read next; [`backoff`] how long a failed subtask waits; [`fold`] from facts to the state of a task; [`replay`]
//! what runs again; [`law`] what every script changes in the books; [`egress`] where a webhook may lead.

pub mod backoff;
pub mod egress;
pub mod fold;
pub mod graph;
pub mod law;
pub mod plan;
pub mod replay;
pub mod share;

pub use fold::{Folded, TaskState};
pub use plan::{Planner, Rules, RulesError};
pub use share::Shares;
