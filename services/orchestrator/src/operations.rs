//! What operators look at: streams with what is the matter with them, workers with what they run, and why a task does
//! not go on. Everything here reads, a bounded number of commands a request, and decides nothing.

mod streams;
mod unrecorded;
mod warning;
mod why;
mod workers;

pub use streams::streams;
pub use why::why;
pub use workers::workers;

/// The ms at which an entry was added.
fn added_ms(entry_id: &str) -> u64 {
    entry_id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0)
}
