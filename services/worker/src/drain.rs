//! The end of a worker: running attempts get the grace time, what is left is handed back without counting anything,
//! outcomes are settled, the consumer leaves. If the process is killed meanwhile, its leases run out.

use crate::returner;
use crate::shared::Shared;
use futures::future::join_all;
use proto_schemas::QueueName;
use proto_schemas::limit::BATCH_ITEMS_MAX;
use redis_store::hand_back::Unfinished;
use redis_store::{Store, Stream};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// After the grace time, handing back and settling take at most this long, whatever Redis does.
const FAREWELL_MAX: Duration = Duration::from_secs(3);
/// How long an execution that was stopped may take to notice: one that never awaits does not.
const NOTICE_MAX: Duration = Duration::from_millis(500);
/// How long the last commands insist.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lets attempts finish within `grace`, then stops them and hands back what they were, and settles what has ended.
pub(crate) async fn drain(
    shared: &Shared,
    executions: &TaskTracker,
    grace: Duration,
    mut settling: JoinHandle<()>,
    abandon: &CancellationToken,
) {
    executions.close();
    let running = shared.held.count_running();
    if running > 0 {
        tracing::info!(running, grace_ms = grace.as_millis() as u64, "[{}] draining", shared.worker_id);
    }
    let _ = tokio::time::timeout(grace, executions.wait()).await;
    let farewell = async {
        let unfinished = shared.held.give_up();
        let _ = tokio::time::timeout(NOTICE_MAX, executions.wait()).await;
        abandon.cancel();
        hand_back_all(shared, &shared.store.with_patience(PATIENCE), &unfinished).await;
        let _ = (&mut settling).await;
    };
    if tokio::time::timeout(FAREWELL_MAX, farewell).await.is_err() {
        tracing::error!("redis does not take what is left: its leases run out and another attempt is made");
        settling.abort();
    }
}

/// Hands back what was given up, all at once; what Redis does not take comes back when its lease has run out.
pub(crate) async fn hand_back_all(shared: &Shared, store: &Store, given_up: &BTreeMap<Stream, Vec<Unfinished>>) {
    let chunks = given_up.iter().flat_map(|(stream, ids)| ids.chunks(BATCH_ITEMS_MAX).map(move |ids| (stream, ids)));
    for done in join_all(chunks.map(|(stream, ids)| returner::hand_back(shared, store, stream, ids))).await {
        if let Err(error) = done {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot hand back");
        }
    }
}

/// Takes the heartbeat back and, if nothing is pending under it, the consumer.
pub(crate) async fn leave(shared: &Shared, queues: &[QueueName]) {
    let store = shared.store.with_patience(PATIENCE);
    let left = async {
        store.leave(&shared.consumer).await?;
        store.collect_consumer(&shared.consumer, queues).await
    };
    if let Err(error) = left.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "another worker will collect this consumer");
    }
}
