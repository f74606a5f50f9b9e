//! Keeps leases, from a thread and a connection of its own, so that a handler that hogs the runtime cannot lose them.
//! Six times in a lease it renews what is older than a third of one. An entry that does not come back is a lost lease.
//! Beside it, and waiting for nothing, the fence: what could not be renewed for 0.8 of a lease is given up before
//! someone else may run it, and handed back by [`crate::returner`]. On the same thread are the [`crate::canceller`] and
//! the [`crate::watchdog`]. If the thread dies the worker stops; entries that nobody renews are reaped, and the settle
//! of a late one is stale.

use crate::metrics::Loss;
use crate::shared::Shared;
use crate::{canceller, returner, watchdog};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use redis_store::{Store, StoreError, Stream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Of a lease: the age from which an entry is renewed.
const RENEWED_AFTER: f64 = 1.0 / 3.0;
/// Of a lease: the age at which an entry that could not be renewed is given up.
pub(crate) const FENCED_AFTER: f64 = 0.8;
/// Ids of one renewal.
const IDS_MAX: usize = 500;
/// Rounds of renewals that wait for their answers.
const UNDER_WAY_MAX: usize = 4;

/// Starts the thread; it ends with `shutdown`, and if it ends before, the worker stops.
pub(crate) fn spawn(shared: Arc<Shared>, shutdown: CancellationToken) -> std::io::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("renewer".to_owned()).spawn(move || {
        let _stop = shared.stopping.clone().drop_guard();
        runtime.block_on(shutdown.run_until_cancelled(async {
            let store = shared.store.connect_again().with_patience(shared.lease / 10);
            tokio::join!(
                renew(&shared, &store),
                fence(&shared),
                returner::run(&shared, &store),
                canceller::run(&shared, &store),
                watchdog::run(&shared, &store)
            )
        }));
        runtime.shutdown_background(); // closes the connection; a polite QUIT may take seconds
    })
}

/// Asks on time, whether or not the last call has been answered: a Redis that answers each of them late renews all the
/// same, as of when it was asked.
async fn renew(shared: &Shared, store: &Store) {
    let mut under_way = FuturesUnordered::new();
    loop {
        if under_way.len() < UNDER_WAY_MAX {
            under_way.push(run_once(shared, store));
        }
        let mut next = std::pin::pin!(tokio::time::sleep(shared.lease / 6));
        loop {
            tokio::select! {
                () = &mut next => break,
                Some(renewed) = under_way.next() => if !renewed {
                    next.as_mut().reset(tokio::time::Instant::now() + shared.lease / 20);
                },
            }
        }
    }
}

/// Renews what is due, all streams at once; says whether every stream answered.
async fn run_once(shared: &Shared, store: &Store) -> bool {
    let due = shared.held.older_than(shared.lease.mul_f64(RENEWED_AFTER));
    let chunks = due.iter().flat_map(|(stream, ids)| ids.chunks(IDS_MAX).map(move |ids| (stream, ids)));
    join_all(chunks.map(|(stream, ids)| renew_some(shared, store, stream, ids)))
        .await
        .into_iter()
        .all(|answered| answered)
}

async fn renew_some(shared: &Shared, store: &Store, stream: &Stream, ids: &[String]) -> bool {
    let sent_at = Instant::now();
    let renewal = store.renew(&shared.consumer, stream, ids);
    let lost = match tokio::time::timeout(shared.lease.mul_f64(FENCED_AFTER), renewal).await {
        Ok(Ok(kept)) => {
            shared.metrics.renewed(kept.len());
            shared.held.renewed(stream, &kept, sent_at);
            shared.held.lose(stream, ids.iter().filter(|id| !kept.contains(*id)))
        }
        // Without its group an entry is nobody's; the group that is made anew will hand it out again.
        Ok(Err(StoreError::NoGroup(_))) => shared.held.lose(stream, ids),
        Ok(Err(error)) => {
            tracing::warn!(%stream, error = &error as &dyn std::error::Error, "cannot renew yet");
            return false;
        }
        Err(_) => {
            tracing::warn!(%stream, "a renewal was not answered in time");
            return false;
        }
    };
    shared.metrics.lost(Loss::Taken, lost);
    if lost > 0 {
        tracing::warn!(%stream, lost, "lost leases: their executions were stopped");
    }
    true
}

async fn fence(shared: &Shared) {
    loop {
        tokio::time::sleep(shared.lease / 20).await;
        let fenced = shared.held.fence(shared.lease.mul_f64(FENCED_AFTER));
        shared.metrics.lost(Loss::Silence, fenced);
        if fenced > 0 {
            tracing::error!(fenced, "no renewal for 0.8 of a lease: giving up before someone else begins");
        }
    }
}

/// The age at which a lease is renewed, for the log line of a start.
pub(crate) fn renewed_after(lease: Duration) -> Duration {
    lease.mul_f64(RENEWED_AFTER)
}
