//! Re-adds what dead workers left. Every second each worker asks for the round of its queues; one in the fleet gets
//! it. It reads the pending lists through XAUTOCLAIM and writes new entries, or dead letters after three crashes; once
//! in 30 rounds, the first among them, it collects the consumers of the dead. After Redis was replaced or restarted it
//! waits one lease, so that the living renew first. If the process dies, another asks a second later.

use crate::executor::Shared;
use proto_schemas::QueueName;
use redis_store::StoreError;
use redis_store::collect_consumer::Collected;
use redis_store::reap::ReapCursors;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUND: Duration = Duration::from_secs(1);
const COLLECT_ROUNDS: u32 = 30;

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, queues: Vec<QueueName>) {
    let mut cursors = vec![ReapCursors::default(); queues.len()];
    let mut server = Server::unknown();
    for round in 1_u32.. {
        tokio::time::sleep(ROUND.mul_f64(0.8 + fastrand::f64() / 5.0)).await;
        let settled = server.is_settled(&shared).await.unwrap_or_else(|error| tell(&error, "cannot ask the server"));
        for (queue, cursors) in queues.iter().zip(&mut cursors).filter(|_| settled) {
            run_once(&shared, queue, cursors).await.unwrap_or_else(|error| tell(&error, "cannot reap yet"));
        }
        if round % COLLECT_ROUNDS == 1 {
            collect(&shared, &queues).await.unwrap_or_else(|error| tell(&error, "cannot collect consumers yet"));
        }
    }
}

/// One queue's trouble, or one round's, is not another's.
fn tell<T: Default>(error: &StoreError, what: &str) -> T {
    tracing::warn!(error = error as &dyn std::error::Error, "{what}");
    T::default()
}

async fn run_once(shared: &Shared, queue: &QueueName, cursors: &mut ReapCursors) -> Result<(), StoreError> {
    if let Some(reaped) = shared.store.reap(&shared.consumer, queue, shared.lease, cursors).await? {
        if reaped.returned + reaped.buried + reaped.malformed > 0 {
            let redis_store::reap::Reaped { returned, buried, malformed, .. } = reaped;
            tracing::warn!(%queue, returned, buried, malformed, "reaped what dead workers left");
        }
        if reaped.ghosts > 0 {
            tracing::error!(%queue, ghosts = reaped.ghosts, "pending entries were deleted by a stranger: run an audit");
        }
    }
    Ok(())
}

/// Collects from every queue in use, also from those that only the dead have read.
async fn collect(shared: &Shared, mine: &[QueueName]) -> Result<(), StoreError> {
    let now_ms = shared.store.now_ms().await?;
    let mut queues = shared.store.queues().await?;
    queues.extend(mine.iter().filter(|mine| !queues.contains(mine)).cloned().collect::<Vec<_>>());
    for consumer in shared.store.silent_consumers(now_ms).await? {
        if shared.store.collect_consumer(&consumer, &queues).await? == Collected::Removed {
            tracing::info!(%consumer, "collected a dead worker's consumer");
        }
    }
    Ok(())
}

/// Which Redis is connected, and since when leases may be judged there.
struct Server {
    run_id: String,
    connections: Option<u64>,
    settled_at: Instant,
}

impl Server {
    fn unknown() -> Self {
        Self { run_id: String::new(), connections: None, settled_at: Instant::now() }
    }

    /// Whether the server has been up for a lease; asks it only after a new connection.
    async fn is_settled(&mut self, shared: &Shared) -> Result<bool, StoreError> {
        let connections = shared.store.connections();
        if self.connections != Some(connections) {
            let (run_id, uptime_seconds) = shared.store.incarnation().await?;
            if run_id != self.run_id {
                let wait = shared.lease.saturating_sub(Duration::from_secs(uptime_seconds));
                // A server seen for the first time may be old; one that replaced another is given a whole lease.
                let wait = if self.connections.is_some() { shared.lease } else { wait };
                self.settled_at = Instant::now() + wait;
                self.run_id = run_id;
            }
            self.connections = Some(connections);
        }
        Ok(Instant::now() >= self.settled_at)
    }
}
