//! The rules of Millstream, pure: plan, fold, priority shares, and the law of every script.
//!
//! Nothing here is async, reads a clock, draws a random number or does I/O: times and ids are arguments, so every rule
//! can be tested on any history. The crate knows no Redis and no key; `redis-store` does the same in scripts, and the
//! differential tests hold the two against each other.
//!
//! In reading order: [`plan`] from a description to subtasks; [`share`] which priority is read next; [`fold`] from facts
//! to the state of a task; [`backoff`] how long a failed subtask waits; [`law`] what every script changes in the books.

pub mod backoff;
pub mod fold;
pub mod law;
pub mod plan;
pub mod share;

pub use fold::{Folded, TaskState};
pub use plan::{Planner, Rules, RulesError};
pub use share::Shares;
