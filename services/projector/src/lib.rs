//! Events become status: facts are folded into tasks, the log is kept short, lives are ended, the books are checked.
//!
//! Invariants. Nothing here decides how a fact counts: the fold script does, and it absorbs repetition, disorder and
//! any number of projectors beside each other. An entry of the log is acknowledged by the fold itself and by nothing
//! else, so a projector that dies between any two lines leaves its entries pending and another folds them. Nothing is
//! trimmed that a group has not acknowledged. No loop ends on an error. Absent on purpose: a leader, a state of its
//! own, a place where a subtask's status is kept outside Redis.
//!
//! In reading order, the path of an entry: `folder` reads, `fold` insists, `claimer` takes over what another left.
//! Beside it, all of one shape: `trimmer` with its rule in `cut`, `expirer`, `collector`, `sweeper`, `herald`. All
//! count into `metrics`; `traced` is what a fold is in traces. For operators: [`mod@audit`] checks the laws of the
//! design, [`mod@rebuild`] counts again from records and log, [`mod@repair`] mends what an audit has confirmed.

pub mod audit;
mod chunk;
mod claimer;
mod collector;
mod config;
mod cut;
mod entry_id;
mod expirer;
mod fold;
mod folder;
mod herald;
mod metrics;
mod pause;
pub mod rebuild;
pub mod repair;
mod sweeper;
mod task_pages;
mod traced;
mod trimmer;

pub use audit::audit;
pub use config::{Config, consumer_name};
pub use metrics::ProjectorMetrics;
pub use rebuild::rebuild;
pub use repair::repair;

use redis_store::Store;
use redis_store::collect_consumer::Collected;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Pulse;
use tokio_util::sync::CancellationToken;

/// How long the loops may take to stop; a read that blocks takes at most one second of it.
const STOP_LIMIT: Duration = Duration::from_millis(1_600);
/// How long the farewell may take after that.
const LEAVE_LIMIT: Duration = Duration::from_millis(300);

/// Runs every loop of one projector until `shutdown`, then stops within two seconds; an error never ends it.
///
/// `pulse` beats each time the log was read and can be folded. Dropping the future at any point loses nothing: what was
/// read and not folded stays pending until a projector takes it over.
pub async fn run(config: Config, store: Store, pulse: Pulse, shutdown: CancellationToken) {
    let fold = Arc::new(fold::Fold::new(&config, store.clone()));
    let loops = async {
        tokio::join!(
            folder::Folder::new(fold.clone(), store.connect_again(), pulse).run(&shutdown),
            claimer::Claimer::new(fold, &config, store.clone()).run(&shutdown),
            trimmer::Trimmer::new(&config, store.clone()).run(&shutdown),
            expirer::Expirer::new(&config, store.clone()).run(&shutdown),
            collector::Collector::new(&config, store.clone()).run(&shutdown),
            sweeper::Sweeper::new(&config, store.clone()).run(&shutdown),
            herald::Herald::new(&config, store.clone()).run(&shutdown),
        )
    };
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(STOP_LIMIT).await;
    };
    tokio::select! {
        _ = loops => {}
        () = overdue => tracing::warn!("stopped before the last fold was answered: another projector repeats it"),
    }
    leave(&config, &store).await;
}

/// Takes this projector's name out of the group, unless entries are pending under it.
async fn leave(config: &Config, store: &Store) {
    let store = store.with_patience(LEAVE_LIMIT);
    match tokio::time::timeout(LEAVE_LIMIT, store.collect_projector(&config.consumer)).await {
        Ok(Ok(Collected::Removed)) => {}
        Ok(Ok(Collected::Busy)) => tracing::info!("left entries pending: another projector takes them over"),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "another projector will collect this consumer");
        }
        Err(_) => tracing::warn!("no answer: another projector will collect this consumer"),
    }
}
