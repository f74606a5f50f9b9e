//! Hands back what was fenced, as soon as Redis answers: an outage is no crash of the subtasks that it stopped, nor is
//! a parking that failed, nor making room for what runs alone. Beside that it forgets what was abandoned once somebody
//! else has it. Runs beside the renewer, twenty times in a lease; it reads what this worker holds. If the process dies
//! before the call, the entries are reaped, and that counts a crash.

use crate::lease::LeaseKey;
use crate::metrics::Return;
use crate::shared::Shared;
use proto_schemas::limit::BATCH_ITEMS_MAX;
use redis_store::hand_back::Unfinished;
use redis_store::{Store, StoreError, Stream};
use std::time::Duration;

/// Runs until it is dropped.
pub(crate) async fn run(shared: &Shared, store: &Store) {
    loop {
        tokio::time::sleep(shared.lease / 20).await;
        if let Err(error) = run_once(shared, store).await.and(forget(shared, store).await) {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot hand back what was stopped yet");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Hands back whatever waits for it; a key that a hand broke keeps nothing but its own entries.
pub(crate) async fn run_once(shared: &Shared, store: &Store) -> Result<(), StoreError> {
    let mut done = Ok(());
    for (stream, entries) in shared.held.fenced() {
        for entries in entries.chunks(BATCH_ITEMS_MAX) {
            match hand_back(shared, store, &stream, entries).await {
                Err(error) if error.is_transient() => return Err(error),
                handed_back => done = done.and(handed_back),
            }
        }
    }
    done
}

/// Hands back entries of one stream and lets go what was taken. One that is refused keeps no other.
pub(crate) async fn hand_back(
    shared: &Shared,
    store: &Store,
    stream: &Stream,
    entries: &[Unfinished],
) -> Result<(), StoreError> {
    match store.hand_back(&shared.consumer, stream, entries).await {
        Ok(_) => {
            shared.metrics.given_back(Return::HandedBack, entries.len());
            let key = |it: &Unfinished| LeaseKey { stream: stream.clone(), entry_id: it.entry_id.clone() };
            shared.held.remove(&entries.iter().map(key).collect::<Vec<_>>());
            tracing::info!(%stream, entries = entries.len(), "handed back");
            Ok(())
        }
        Err(error) if !error.is_transient() && entries.len() > 1 => {
            let mut done = Ok(());
            for one in entries {
                done = done.and(Box::pin(hand_back(shared, store, stream, std::slice::from_ref(one))).await);
            }
            done
        }
        Err(error) => Err(error),
    }
}

/// A reaper has what is not pending here any more. Until then it is not forgotten, or the history would run it again.
async fn forget(shared: &Shared, store: &Store) -> Result<(), StoreError> {
    for (stream, ids) in shared.held.abandoned(shared.lease * 2) {
        let pending = store.pending_among(&shared.consumer, &stream, &ids).await?;
        let gone = ids.into_iter().filter(|id| !pending.contains(id));
        let keys: Vec<LeaseKey> = gone.map(|entry_id| LeaseKey { stream: stream.clone(), entry_id }).collect();
        shared.held.remove(&keys);
    }
    Ok(())
}
