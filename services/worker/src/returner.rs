//! Hands back what was fenced, as soon as Redis answers: an outage is no crash of the subtasks that it stopped, nor is a
//! parking that failed, nor making room for what runs alone. Runs
//! beside the renewer, twenty times in a lease; it reads what this worker holds. If the process dies before the call, the
//! entries are reaped, and that counts a crash.

use crate::lease::LeaseKey;
use crate::shared::Shared;
use proto_schemas::limit::BATCH_ITEMS_MAX;
use redis_store::hand_back::Unfinished;
use redis_store::{Store, StoreError};
use std::time::Duration;

/// Runs until it is dropped.
pub(crate) async fn run(shared: &Shared, store: &Store) {
    loop {
        tokio::time::sleep(shared.lease / 20).await;
        if let Err(error) = run_once(shared, store).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot hand back what was fenced yet");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Hands back whatever waits for it.
pub(crate) async fn run_once(shared: &Shared, store: &Store) -> Result<(), StoreError> {
    for (stream, entries) in shared.held.fenced() {
        for entries in entries.chunks(BATCH_ITEMS_MAX) {
            store.hand_back(&shared.consumer, &stream, entries).await?;
            let key = |it: &Unfinished| LeaseKey { stream: stream.clone(), entry_id: it.entry_id.clone() };
            shared.held.remove(&entries.iter().map(key).collect::<Vec<_>>());
            tracing::warn!(%stream, entries = entries.len(), "handed back what was stopped");
        }
    }
    Ok(())
}
