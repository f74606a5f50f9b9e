//! Folds what another projector, or a lost reply, left unacknowledged. Twice in `claim_idle` it walks the group's
//! pending list through XAUTOCLAIM, reads the entries that nobody touched for `claim_idle` and writes what the fold
//! script writes. Taking over an entry that its reader still folds costs a repetition and changes nothing. If it dies
//! after a claim, the entries wait `claim_idle` for the next claimer.

use crate::config::Config;
use crate::fold::Fold;
use crate::metrics::ProjectorMetrics;
use crate::pause::Pause;
use redis_store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Entries of one claim.
const COUNT: usize = 16;

pub(crate) struct Claimer {
    fold: Arc<Fold>,
    store: Store,
    idle: Duration,
    metrics: Arc<ProjectorMetrics>,
}

/// What one walk did, in entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Claimed {
    folded: usize,
    poisoned: usize,
}

impl Claimer {
    pub(crate) fn new(fold: Arc<Fold>, config: &Config, store: Store) -> Self {
        Self { fold, store, idle: config.claim_idle, metrics: config.metrics.clone() }
    }

    pub(crate) async fn run(self, shutdown: &CancellationToken) {
        let mut pause = Pause::new("claimer");
        loop {
            let done = self.run_once(shutdown).await.map(|Claimed { folded, poisoned }| {
                if folded > 0 {
                    tracing::info!(folded, poisoned, "folded what was left unacknowledged");
                }
            });
            if !pause.until_next(done, self.idle / 2, shutdown).await {
                return;
            }
        }
    }

    /// Walks the whole pending list once.
    async fn run_once(&self, shutdown: &CancellationToken) -> Result<Claimed, StoreError> {
        let mut claimed = Claimed::default();
        let mut cursor = "0-0".to_owned();
        loop {
            let (next, entries) = match self.store.claim_events(self.fold.consumer(), self.idle, &cursor, COUNT).await {
                Err(StoreError::NoGroup(_)) => return Ok(claimed), // the folder makes it
                other => other?,
            };
            self.metrics.claimed(entries.len());
            let folded = self.fold.fold(&entries, shutdown).await;
            claimed.folded += folded.acknowledged;
            claimed.poisoned += folded.poisoned;
            if next == "0-0" || shutdown.is_cancelled() {
                return Ok(claimed);
            }
            cursor = next;
        }
    }
}
