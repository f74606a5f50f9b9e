//! Wires the loops of one worker, from its first agreement with Redis to its leave.

use crate::config::{Config, ConfigError};
use crate::drain::{drain, leave};
use crate::fetcher::Fetcher;
use crate::handler::Handlers;
use crate::pause::Pause;
use crate::shared::Shared;
use crate::{heart, promoter, reaper, renewer, settler, starter};
use proto_schemas::QueueName;
use redis_store::{Store, StoreError};
use std::sync::Arc;
use telemetry::Pulse;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Why a worker did not start, or ended before it was told to.
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
    /// The thread of the renewer could not be started, or it or the settler died.
    #[error("the renewer or the settler cannot run")]
    Thread(#[from] std::io::Error),
}

/// Runs a worker until `shutdown`, then drains it: running attempts get the grace time, what is left is handed back.
/// `store` stays open.
///
/// Waits for Redis as long as it takes; returns an error before it has read anything, or if a loop of its own dies.
/// Dropping it is a crash without the death of a process: what it holds is run again when its leases have run out.
pub async fn run(
    config: Config,
    handlers: Handlers,
    store: Store,
    pulse: Pulse,
    shutdown: CancellationToken,
) -> Result<(), WorkerError> {
    let queues = config.queues(&handlers)?;
    let shared = Arc::new(Shared::new(&config, handlers, store, shutdown.child_token()));
    if !prepare(&shared, &queues, &pulse).await? {
        return Ok(());
    }
    tracing::info!(
        consumer = %shared.consumer,
        slots = config.slots,
        lease_ms = config.lease.as_millis() as u64,
        renewal_ms = renewer::renewed_after(config.lease).as_millis() as u64,
        queues = queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(","),
        "[{}] ready",
        shared.worker_id
    );
    let (settle, ready) = mpsc::unbounded_channel();
    let abandon = CancellationToken::new();
    let end = End { shared: shared.clone(), renewing: CancellationToken::new(), abandon: abandon.clone() };
    let renewer = renewer::spawn(shared.clone(), end.renewing.clone())?;
    let settling = tokio::spawn(settler::run(shared.clone(), ready, abandon.clone()));
    let mut loops = JoinSet::new();
    loops.spawn(starter::run(shared.clone()));
    loops.spawn(reaper::run(shared.clone(), queues.clone()));
    loops.spawn(promoter::run(shared.clone()));
    loops.spawn(heart::run(shared.clone(), config.slots, shared.stopping.clone()));
    let executions = Fetcher::new(shared.clone(), queues.clone(), config.slots, settle, pulse).run().await;

    drain(&shared, &executions, config.grace, settling, &abandon).await;
    loops.shutdown().await;
    drop(end);
    let _ = tokio::task::spawn_blocking(move || renewer.join()).await;
    leave(&shared, &queues).await;
    if shutdown.is_cancelled() { Ok(()) } else { Err(std::io::Error::other("it has died").into()) }
}

/// However a worker ends, also when [`run`] is dropped: nothing is renewed any more, and no execution goes on unfenced.
struct End {
    shared: Arc<Shared>,
    renewing: CancellationToken,
    abandon: CancellationToken,
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
        self.shared.held.give_up();
        self.renewing.cancel();
        self.abandon.cancel();
    }
}

/// Agrees on the lease, says what is served and creates the groups; waits for Redis. Says false if the worker is to
/// stop instead.
async fn prepare(shared: &Shared, queues: &[QueueName], pulse: &Pulse) -> Result<bool, WorkerError> {
    let mine = shared.lease.as_millis() as u64;
    let mut pause = Pause::new();
    while let Some(held) = shared.stopping.run_until_cancelled(set_up(shared, queues)).await {
        match held {
            Ok(held) if held == mine => {
                pulse.beat();
                return Ok(true);
            }
            Ok(held) => return Err(WorkerError::LeaseDiffers { mine, held }),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "waiting for redis");
                pause.wait(&shared.stopping).await;
            }
        }
    }
    Ok(false)
}

/// Says in Redis what this installation's lease is, unless it is said already, which kinds this worker serves, and
/// creates the groups that are missing; nothing if another lease holds. Answers the lease that holds, in ms. A stream
/// whose key holds something else does not keep the others. Without memory nothing can be said or created: what earlier
/// workers and the API have made is enough to work, and work is what frees memory.
pub(crate) async fn set_up(shared: &Shared, queues: &[QueueName]) -> Result<u64, StoreError> {
    let held = shared.store.agree_on_lease(shared.lease).await?;
    if held != shared.lease.as_millis() as u64 {
        return Ok(held);
    }
    let now_ms = shared.clock.ask(&shared.store).await?;
    unless_full(shared.epoch.check(&shared.store).await.map(drop))?;
    unless_full(shared.store.announce_kinds(shared.handlers.queues(), now_ms).await)?;
    for queue in queues {
        match shared.store.create_worker_groups(queue).await {
            Err(error @ StoreError::WrongType(_)) => {
                tracing::error!(%queue, error = &error as &dyn std::error::Error, "not every group can be made");
            }
            other => unless_full(other)?,
        }
    }
    Ok(held)
}

/// Lets a worker go on that could not say something for want of memory: its heart says it again.
fn unless_full(said: Result<(), StoreError>) -> Result<(), StoreError> {
    match said {
        Err(error @ StoreError::OutOfMemory(_)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "working without having announced it");
            Ok(())
        }
        other => other,
    }
}
