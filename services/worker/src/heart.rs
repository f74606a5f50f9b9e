//! Says that this worker lives and what it serves, every 10 s: a hash that expires after a minute, a place in
//! `workers`, and its kinds in `kinds`. When it is told to stop it says at once that it takes no more. On the way it
//! sets its clock by Redis' and asks whether the data is still the same. If the process dies, the hash expires and
//! another worker collects the consumer once nothing is pending under it.

use crate::shared::Shared;
use proto_schemas::Kind;
use redis_store::StoreError;
use redis_store::heartbeat::Heartbeat;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const BEAT_EVERY: Duration = Duration::from_secs(10);

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, slots: usize, shutdown: CancellationToken) {
    let host = hostname::get().map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned());
    let mut kinds: Vec<&Kind> = shared.handlers.queues().map(|(kind, _)| kind).collect();
    kinds.sort();
    let kinds = kinds.into_iter().map(Kind::to_string).collect::<Vec<_>>().join(",");
    let mut beat = Heartbeat {
        worker_id: shared.worker_id.clone(),
        host,
        pid: std::process::id(),
        kinds,
        slots,
        running: 0,
        is_draining: false,
        at_ms: 0,
    };
    loop {
        if let Err(error) = run_once(&shared, &mut beat, &shutdown).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot send a heartbeat yet");
        }
        match beat.is_draining {
            true => tokio::time::sleep(BEAT_EVERY).await,
            false => drop(tokio::time::timeout(BEAT_EVERY, shutdown.cancelled()).await),
        }
    }
}

async fn run_once(shared: &Shared, beat: &mut Heartbeat, shutdown: &CancellationToken) -> Result<(), StoreError> {
    beat.is_draining = shutdown.is_cancelled(); // first: whatever fails after it, the next beat is one pause away
    beat.at_ms = shared.clock.ask(&shared.store).await?;
    beat.running = shared.held.count_running();
    shared.store.beat(&shared.consumer, beat).await?;
    shared.store.announce_kinds(shared.handlers.queues(), beat.at_ms).await?;
    shared.epoch.check(&shared.store).await.map(drop)
}
