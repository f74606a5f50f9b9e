//! Wires the loops of one worker and drains them at the end.

use crate::config::{Config, ConfigError, consumer_name};
use crate::executor::Shared;
use crate::fetcher::{Fetcher, streams_of};
use crate::handler::Handlers;
use crate::held::Held;
use crate::pause::Pause;
use crate::{heart, reaper, renewer, settler, starter};
use proto_schemas::QueueName;
use redis_store::{Store, StoreError};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telemetry::Pulse;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Outcomes that may wait to be settled: two batches, so that memory stays bounded while Redis is away.
const READY_MAX: usize = 256;

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The settings would strand work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Workers with different leases would reap each other's living work.
    #[error(
        "LEASE_MS is {mine} here but {held} in this Redis: give every worker the same, or stop them all and \
         `HSET meta lease_ms {mine}`"
    )]
    LeaseDiffers {
        /// This worker's, in ms.
        mine: u64,
        /// The installation's, in ms.
        held: u64,
    },
    /// No thread could be started.
    #[error("cannot start the renewer's thread")]
    Thread(#[from] std::io::Error),
}

/// Runs a worker until `shutdown`, then drains it: running attempts get the grace time, what is left is handed back.
///
/// Waits for Redis as long as it takes; returns an error only before it has read anything.
pub async fn run(
    config: Config,
    handlers: Handlers,
    store: Store,
    pulse: Pulse,
    shutdown: CancellationToken,
) -> Result<(), WorkerError> {
    let queues = config.queues(&handlers)?;
    let consumer = consumer_name(&config.worker_id);
    let shared = Arc::new(Shared {
        store,
        consumer,
        worker_id: config.worker_id.clone(),
        handlers,
        held: Held::default(),
        lease: config.lease,
        result_ttl: config.result_ttl,
    });
    if !prepare(&shared, &queues, &pulse, &shutdown).await? {
        return Ok(());
    }
    tracing::info!(
        consumer = %shared.consumer,
        slots = config.slots,
        lease_ms = config.lease.as_millis() as u64,
        renewal_ms = renewer::interval(config.lease).as_millis() as u64,
        streams = streams_of(&queues),
        "[{}] ready",
        shared.worker_id
    );
    let (settle, ready) = mpsc::channel(READY_MAX);
    let (ended, abandon) = (CancellationToken::new(), CancellationToken::new());
    let renewing = renewer::spawn(shared.clone(), ended.clone())?;
    let settling = tokio::spawn(settler::run(shared.clone(), ready, abandon.clone()));
    let loops = TaskTracker::new();
    loops.spawn(starter::run(shared.clone(), shutdown.clone()));
    loops.spawn(reaper::run(shared.clone(), queues.clone(), shutdown.clone()));
    loops.spawn(heart::run(shared.clone(), config.slots, shutdown.clone()));
    let executions = TaskTracker::new();
    let fetcher = Fetcher {
        shared: shared.clone(),
        bell: shared.store.connect_again(),
        queues: queues.clone(),
        slots: config.slots,
        settle,
        executions: executions.clone(),
        pulse,
        stopped: Mutex::default(),
    };
    fetcher.run(shutdown).await;

    drain(&shared, &executions, config.grace, &abandon).await;
    let _ = tokio::time::timeout(Duration::from_secs(5), settling).await;
    loops.close();
    let _ = tokio::time::timeout(Duration::from_secs(2), loops.wait()).await;
    ended.cancel();
    let _ = tokio::task::spawn_blocking(move || renewing.join()).await;
    leave(&shared, &queues).await;
    Ok(())
}

/// Agrees on the lease and creates the groups; waits for Redis. Says false if the worker is to stop instead.
async fn prepare(
    shared: &Shared,
    queues: &[QueueName],
    pulse: &Pulse,
    shutdown: &CancellationToken,
) -> Result<bool, WorkerError> {
    let mine = shared.lease.as_millis() as u64;
    let mut pause = Pause::new();
    while !shutdown.is_cancelled() {
        let ready = async {
            let held = shared.store.agree_on_lease(shared.lease).await?;
            for queue in queues {
                shared.store.create_worker_groups(queue).await?;
            }
            Ok::<u64, StoreError>(held)
        };
        match shutdown.run_until_cancelled(ready).await {
            Some(Ok(held)) if held == mine => {
                pulse.beat();
                return Ok(true);
            }
            Some(Ok(held)) => return Err(WorkerError::LeaseDiffers { mine, held }),
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "waiting for redis");
                pause.wait(shutdown).await;
            }
            None => break,
        }
    }
    Ok(false)
}

/// Lets attempts finish within the grace time, then stops them and hands back what they were.
async fn drain(shared: &Shared, executions: &TaskTracker, grace: Duration, abandon: &CancellationToken) {
    executions.close();
    let running = shared.held.len();
    if running > 0 {
        tracing::info!(running, grace_ms = grace.as_millis() as u64, "[{}] draining", shared.worker_id);
    }
    if tokio::time::timeout(grace, executions.wait()).await.is_err() {
        for (stream, ids) in shared.held.give_up() {
            match shared.store.hand_back(&shared.consumer, &stream, &ids).await {
                Ok(_) => tracing::info!(%stream, entries = ids.len(), "handed back"),
                Err(error) => {
                    tracing::error!(%stream, error = &error as &dyn std::error::Error, "cannot hand back");
                }
            }
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), executions.wait()).await;
    }
    abandon.cancel();
}

async fn leave(shared: &Shared, queues: &[QueueName]) {
    let store = shared.store.with_patience(Duration::from_secs(1));
    let left = async {
        store.leave(&shared.consumer).await?;
        store.collect_consumer(&shared.consumer, queues).await
    };
    if let Err(error) = left.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "another worker will collect this consumer");
    }
    shared.store.close().await;
}
