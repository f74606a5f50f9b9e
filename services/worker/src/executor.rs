//! Runs one leased entry to its end: settle, bury, hand back, or nothing if the lease is lost.

use crate::attempt;
use crate::handler::Handlers;
use crate::held::{Held, LeaseKey};
use futures::FutureExt;
use proto_schemas::{ConsumerName, EntryError, Kind, WorkEntry};
use redis_store::Store;
use redis_store::bury::Burial;
use redis_store::fetch::Fetched;
use redis_store::settle::Settlement;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// What the loops of one worker share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) consumer: ConsumerName,
    pub(crate) worker_id: String,
    /// Only those of the kinds it serves.
    pub(crate) handlers: Handlers,
    pub(crate) held: Held,
    pub(crate) lease: Duration,
    pub(crate) result_ttl: Duration,
    /// Fires when the worker is to stop.
    pub(crate) stopping: CancellationToken,
}

/// An outcome on its way to Redis, with the slot that it keeps until it has been sent.
pub(crate) struct Ready {
    pub(crate) settlement: Settlement,
    pub(crate) slot: OwnedSemaphorePermit,
}

/// Runs what was leased.
pub(crate) struct Executor {
    shared: Arc<Shared>,
    settle: UnboundedSender<Ready>,
    parked: Arc<Semaphore>,
}

/// How long an entry that this worker cannot run is kept before it is handed back, so that it does not spin.
const HAND_BACK_AFTER: Duration = Duration::from_secs(1);
/// Entries that wait to be handed back without taking the slots of those that can be run.
const PARKED_MAX: usize = 256;

impl Executor {
    pub(crate) fn new(shared: Arc<Shared>, settle: UnboundedSender<Ready>) -> Self {
        Self { shared, settle, parked: Arc::new(Semaphore::new(PARKED_MAX)) }
    }

    /// Runs `fetched`, which is held under `lost`, to its end; `slot` is free when the outcome is on its way.
    pub(crate) fn execute(
        &self,
        fetched: Fetched,
        slot: OwnedSemaphorePermit,
        lost: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let key = LeaseKey { stream: fetched.stream, entry_id: fetched.entry_id };
        let (shared, settle, parked) = (self.shared.clone(), self.settle.clone(), self.parked.clone());
        async move {
            let ending = async {
                match fetched.entry {
                    Ok(entry) if shared.handlers.get(&entry.kind).is_some() => {
                        run(&shared, Arc::new(entry), &key, &lost, (slot, settle)).await;
                    }
                    Ok(_) => hand_back(&shared, &key, "no handler for its kind", &lost, (slot, parked)).await,
                    Err(EntryError::Newer(_)) => {
                        hand_back(&shared, &key, "written by a newer version", &lost, (slot, parked)).await;
                    }
                    Err(malformed) => bury(&shared, &key, &malformed).await,
                }
            };
            if AssertUnwindSafe(ending).catch_unwind().await.is_err() {
                // A handler that panics while it is dropped: nobody knows how far it came, so let the lease run out.
                tracing::error!(entry_id = key.entry_id, stream = %key.stream, "an execution panicked outside its handler");
                shared.held.remove([&key]);
            }
        }
    }
}

async fn run(
    shared: &Shared,
    entry: Arc<WorkEntry>,
    key: &LeaseKey,
    lost: &CancellationToken,
    (slot, settle): (OwnedSemaphorePermit, UnboundedSender<Ready>),
) {
    tracing::info!("[{}] Processing: {} (Task: {})", shared.worker_id, entry.description, entry.task_id);
    shared.held.running(key, &entry);
    let attempt = attempt::run(shared, &entry, key, lost);
    if let Some(settlement) = lost.run_until_cancelled(attempt).await
        && shared.held.settling(key, lost)
        && settle.send(Ready { settlement, slot }).is_err()
    {
        shared.held.remove([key]); // the settler is gone: the lease runs out and another attempt is made
    }
}

async fn hand_back(
    shared: &Shared,
    key: &LeaseKey,
    why: &str,
    lost: &CancellationToken,
    (slot, parked): (OwnedSemaphorePermit, Arc<Semaphore>),
) {
    let _place = parked.try_acquire().map_err(|_| slot); // its own place, else that slot
    tokio::select! {
        () = tokio::time::sleep(HAND_BACK_AFTER) => {}
        () = shared.stopping.cancelled() => {}
        () = lost.cancelled() => return,
    }
    tracing::warn!(entry_id = key.entry_id, stream = %key.stream, why, "handing back");
    let ids = std::slice::from_ref(&key.entry_id);
    if let Err(error) = shared.store.hand_back(&shared.consumer, &key.stream, ids).await {
        // Its lease runs out and it is added again.
        tracing::error!(entry_id = key.entry_id, error = &error as &dyn std::error::Error, "cannot hand back");
    }
    shared.held.remove([key]);
}

async fn bury(shared: &Shared, key: &LeaseKey, malformed: &EntryError) {
    tracing::error!(entry_id = key.entry_id, stream = %key.stream, %malformed, "burying a malformed entry");
    let reason = Kind::new("malformed").expect("a valid kind");
    let burial = Burial {
        stream: key.stream.clone(),
        entry_id: key.entry_id.clone(),
        owner: None,
        reason,
        error: malformed.to_string(),
    };
    if let Err(error) = shared.store.bury(&shared.consumer, &[burial]).await {
        // Its lease runs out and the reaper buries it.
        tracing::error!(entry_id = key.entry_id, error = &error as &dyn std::error::Error, "cannot bury");
    }
    shared.held.remove([key]);
}
