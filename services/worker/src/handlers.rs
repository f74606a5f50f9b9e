//! The built-in handlers. A new one is a file here and a line in [`built_in`]; [`Webhook`], which needs Redis, is added
//! by whoever has it.

mod breaker;
pub mod post;
mod simulate;
mod test_task;
mod webhook;

pub use simulate::Simulate;
pub use test_task::TestTask;
pub use webhook::Webhook;

use crate::handler::Handlers;

/// Every built-in handler; `simulate_seconds` scales the simulated work, 0 for none.
pub fn built_in(simulate_seconds: f64) -> Handlers {
    Handlers::default().with(Simulate { factor: simulate_seconds }).with(TestTask)
}
