//! Tells the log what runs. Every 50 ms it looks for attempts that have been running for 100 ms, so short work costs
//! no extra write; it reads what this worker holds and writes `started` facts. If the process dies before the call,
//! the document says queued until the end: nothing else depends on it.

use crate::shared::Shared;
use proto_schemas::limit::BATCH_ITEMS_MAX;
use std::sync::Arc;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(50);
const TOLD_AFTER: Duration = Duration::from_millis(100);

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        while run_once(&shared).await == BATCH_ITEMS_MAX {}
    }
}

/// Tells of at most one batch; answers how many.
async fn run_once(shared: &Shared) -> usize {
    let facts = shared.held.tell_started(TOLD_AFTER, BATCH_ITEMS_MAX, &shared.consumer);
    if !facts.is_empty()
        && let Err(error) = shared.store.start(&shared.consumer, &facts).await
    {
        tracing::warn!(attempts = facts.len(), error = &error as &dyn std::error::Error, "could not tell of starts");
    }
    facts.len()
}
