//! Re-adds what dead workers left. Every second each worker asks for a round of its queues; two in the fleet get one,
//! and each of these promotes as well if the round says that something is due. It reads the pending lists through
//! XAUTOCLAIM and writes new entries, or dead letters after three crashes; once in 30 rounds, the first among them, it
//! collects the consumers of the dead. After an outage, and where another server has taken over, it waits one lease, so
//! that the living renew first. If the process dies, another asks within a second.

use crate::due::ROUND;
use crate::shared::Shared;
use proto_schemas::QueueName;
use redis_store::StoreError;
use redis_store::collect_consumer::Collected;
use redis_store::reap::{Asked, ReapCursors, Reaped, Rule};
use std::sync::Arc;
use std::time::{Duration, Instant};

const COLLECT_ROUNDS: u32 = 30;

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, queues: Vec<QueueName>) {
    let mut cursors = vec![ReapCursors::default(); queues.len()];
    let mut trust = Trust::unknown();
    // At once: whatever is leased from now on ends its lease after this has held for one.
    trust.holds(&shared).await.unwrap_or_else(|error| tell(&error, "cannot ask the server"));
    for round in 1_u32.. {
        let slept_at = Instant::now();
        tokio::time::sleep(ROUND.mul_f64(0.9 + fastrand::f64() / 10.0)).await;
        if slept_at.elapsed() > ROUND + shared.lease / 2 {
            trust.lose(&shared); // this worker was stopped, and with it perhaps the whole machine
        }
        if trust.holds(&shared).await.unwrap_or_else(|error| tell(&error, "cannot ask the server")) {
            for (queue, cursors) in queues.iter().zip(&mut cursors) {
                match run_once(&shared, queue, cursors).await {
                    Ok(Asked::Ran(_) | Asked::Skipped) => {}
                    Ok(Asked::Late) => trust.lose(&shared),
                    Err(error) => {
                        if error.is_transient() {
                            trust.lose(&shared);
                        }
                        tell(&error, "cannot reap yet")
                    }
                }
            }
        } else {
            shared.due.begin_round(Instant::now(), Some(Duration::ZERO)); // what is due does not wait for the dead
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

async fn run_once(shared: &Shared, queue: &QueueName, cursors: &mut ReapCursors) -> Result<Asked, StoreError> {
    let not_after_ms = Some(shared.clock.now_ms() + shared.lease.as_millis() as u64 / 2);
    let rule = Rule { lease: shared.lease, not_after_ms };
    let asked = shared.store.ask_round(&shared.consumer, queue, rule, cursors).await?;
    if let Asked::Ran(round) = asked {
        shared.due.begin_round(Instant::now(), round.next_due);
        shared.metrics.reaped(round.reaped);
        let Reaped { returned, buried, malformed, ghosts } = round.reaped;
        if returned + buried + malformed > 0 {
            tracing::warn!(%queue, returned, buried, malformed, "reaped what dead workers left");
        }
        if ghosts > 0 {
            tracing::error!(%queue, ghosts, "pending entries were deleted by a stranger: run an audit");
        }
    }
    Ok(asked)
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

/// Since when the age of a lease may be taken for the silence of its worker. What could not reach Redis was not silent.
struct Trust {
    connections: Option<u64>,
    from: Instant,
}

impl Trust {
    fn unknown() -> Self {
        Self { connections: None, from: Instant::now() }
    }

    /// Redis was away, or this worker was: everyone gets a lease of time to renew.
    fn lose(&mut self, shared: &Shared) {
        self.from = Instant::now() + shared.lease;
    }

    /// Whether Redis has been there for a lease; asks the server only after a new connection.
    async fn holds(&mut self, shared: &Shared) -> Result<bool, StoreError> {
        let connections = shared.store.connections().max(1); // the first may be counted late
        if self.connections != Some(connections) {
            if self.connections.is_some() {
                self.lose(shared);
            }
            let asked_at = Instant::now();
            let known_for = known_for(shared).await?;
            let is_late = asked_at.elapsed() > shared.lease / 2;
            let known_for = if is_late { Duration::ZERO } else { known_for };
            self.from = self.from.max(Instant::now() + shared.lease.saturating_sub(known_for));
            self.connections = Some(connections);
        }
        Ok(Instant::now() >= self.from)
    }
}

/// For how long the server has been up, and the one in use: all that a replica knows when it takes over is new to it.
async fn known_for(shared: &Shared) -> Result<Duration, StoreError> {
    let (run_id, uptime_seconds) = shared.store.incarnation().await?;
    let up_for = Duration::from_secs(uptime_seconds);
    match shared.store.known_for(&run_id).await {
        Err(StoreError::OutOfMemory(_)) => Ok(up_for), // it cannot be said there that it is known
        known_for => Ok(known_for?.min(up_for)),
    }
}
