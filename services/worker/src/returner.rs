//! Hands back what was fenced, as soon as Redis answers again: an outage is no crash of the subtasks that it stopped. Runs
//! beside the renewer, twenty times in a lease; it reads what this worker holds. If the process dies before the call, the
//! entries are reaped, and that counts a crash.

use crate::held::LeaseKey;
use crate::shared::Shared;
use proto_schemas::limit::BATCH_ITEMS_MAX;
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

async fn run_once(shared: &Shared, store: &Store) -> Result<(), StoreError> {
    for (stream, ids) in shared.held.fenced() {
        for ids in ids.chunks(BATCH_ITEMS_MAX) {
            store.hand_back(&shared.consumer, &stream, ids).await?;
            let key = |id: &String| LeaseKey { stream: stream.clone(), entry_id: id.clone() };
            shared.held.remove(&ids.iter().map(key).collect::<Vec<_>>());
            tracing::warn!(%stream, entries = ids.len(), "handed back after an outage");
        }
    }
    Ok(())
}
