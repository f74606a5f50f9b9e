//! Keeps leases, from a thread and a connection of its own, so that a handler that hogs the runtime cannot lose them.
//! Every third of a lease it renews what is older than a third. An entry that does not come back is a lost lease; one
//! that could not be renewed for 0.8 of a lease is given up before someone else may run it. If the thread died, the
//! worker would fence nothing and its entries would be reaped: the settle of a late one is stale.

use crate::executor::Shared;
use redis_store::Store;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Ids of one renewal.
const IDS_MAX: usize = 500;

/// Starts the thread; it ends with `shutdown`.
pub(crate) fn spawn(shared: Arc<Shared>, shutdown: CancellationToken) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("renewer".to_owned()).spawn(move || {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(run(shared, shutdown)),
            Err(error) => tracing::error!(%error, "no runtime for the renewer: leases will run out"),
        }
    })
}

async fn run(shared: Arc<Shared>, shutdown: CancellationToken) {
    let lease = shared.lease;
    let store = shared.store.connect_again().with_patience(lease / 10);
    let mut next = lease / 3;
    while shutdown.run_until_cancelled(tokio::time::sleep(next)).await.is_some() {
        let renewed = run_once(&shared, &store).await;
        for (stream, ids) in shared.held.older_than(lease.mul_f64(0.8)) {
            let fenced = shared.held.lose(&stream, &ids);
            if fenced > 0 {
                tracing::error!(%stream, fenced, "no renewal for 0.8 of a lease: giving up before someone else begins");
            }
        }
        next = if renewed { lease / 3 } else { lease / 20 };
    }
    store.close().await;
}

/// Renews what is due; says whether every stream answered.
async fn run_once(shared: &Shared, store: &Store) -> bool {
    let mut answered = true;
    for (stream, ids) in shared.held.older_than(shared.lease.mul_f64(0.3)) {
        for ids in ids.chunks(IDS_MAX) {
            let sent_at = Instant::now();
            let renewal = store.renew(&shared.consumer, &stream, ids);
            match tokio::time::timeout(shared.lease / 4, renewal).await {
                Ok(Ok(kept)) => {
                    shared.held.renewed(&stream, &kept, sent_at);
                    let lost = shared.held.lose(&stream, ids.iter().filter(|id| !kept.contains(*id)));
                    if lost > 0 {
                        tracing::warn!(%stream, lost, "lost leases: their executions were stopped");
                    }
                }
                Err(_) => {
                    answered = false;
                    tracing::warn!(%stream, "a renewal was not answered in time");
                }
                Ok(Err(error)) => {
                    answered = false;
                    tracing::warn!(%stream, error = &error as &dyn std::error::Error, "cannot renew yet");
                }
            }
        }
    }
    answered
}

/// How often a lease is renewed, for the log line of a start.
pub(crate) fn interval(lease: Duration) -> Duration {
    lease / 3
}
