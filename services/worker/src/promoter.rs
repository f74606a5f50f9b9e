//! Moves what is due into its stream. Woken at the times in [`crate::due`]: a round of this worker's that found
//! something due, a retry that this worker has scheduled. Each time it is one script call, which moves whatever is due
//! by then, whoever scheduled it. If it fails, as without memory, what is due waits for the next round; if the process
//! dies, for somebody else's.

use crate::due::ROUND;
use crate::shared::Shared;
use std::sync::Arc;
use std::time::Instant;

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        shared.due.wait().await;
        run_once(&shared).await;
    }
}

async fn run_once(shared: &Shared) {
    match shared.store.with_patience(ROUND).promote(&shared.consumer).await {
        Ok(promoted) => {
            shared.metrics.promoted(&promoted);
            if promoted.malformed > 0 {
                let malformed = promoted.malformed;
                tracing::error!(malformed, "what waited for its time cannot be run: dead letters");
            }
            shared.due.answered(Instant::now(), promoted.next_due);
        }
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot promote yet"),
    }
}
