//! Folds the log as it grows. A new entry wakes it, through a read that blocks for a second on a connection of its own;
//! it writes nothing but what the fold script writes. While one fold is under way the next read already is, and never
//! more than one. If it dies after a read, the entries stay pending under its name and a claimer folds them; if it dies
//! after a fold was sent, the fold has happened or the same is true; there is no third place to die in.

use crate::fold::{Fold, Folded};
use crate::pause::Pause;
use redis_store::events::EventEntry;
use redis_store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use telemetry::Pulse;
use tokio_util::sync::CancellationToken;

/// How long a read waits for the first entry; also how long a stop may wait for the read.
const BLOCK: Duration = Duration::from_secs(1);
/// Entries of one read: under load up to 128 facts each.
const COUNT: usize = 16;

pub(crate) struct Folder {
    fold: Arc<Fold>,
    reads: Store,
    pulse: Pulse,
    read_pause: Pause,
    fold_pause: Pause,
}

impl Folder {
    /// `reads` must be a connection that nothing else uses.
    pub(crate) fn new(fold: Arc<Fold>, reads: Store, pulse: Pulse) -> Self {
        let (read_pause, fold_pause) = (Pause::new("folder"), Pause::new("folder"));
        Self { fold, reads, pulse, read_pause, fold_pause }
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) {
        let mut held = Vec::new();
        while !shutdown.is_cancelled() || !held.is_empty() {
            held = self.run_once(&held, shutdown).await;
        }
        self.reads.close().await;
    }

    /// Folds what the last round read while it reads what the next one folds, and answers that.
    async fn run_once(&mut self, held: &[EventEntry], shutdown: &CancellationToken) -> Vec<EventEntry> {
        let Self { fold, reads, pulse, read_pause, fold_pause } = self;
        let folding = async {
            let Folded { acknowledged, poisoned, .. } = fold.fold(held, shutdown).await;
            if poisoned > 0 && acknowledged == 0 {
                // Perhaps it is not these entries but the whole installation: do not run through the log.
                fold_pause.wait(shutdown).await;
            } else if acknowledged > 0 {
                fold_pause.over();
            }
        };
        let reading = async {
            if shutdown.is_cancelled() {
                return Vec::new();
            }
            match read(reads, fold).await {
                Ok(entries) => {
                    pulse.beat();
                    read_pause.over();
                    entries
                }
                Err(error) => {
                    read_pause.after(&error, shutdown).await;
                    Vec::new()
                }
            }
        };
        tokio::join!(folding, reading).1
    }
}

/// Reads first and makes the group only where it is missing: that is refused while Redis is out of memory, and folding
/// must not be.
async fn read(reads: &Store, fold: &Fold) -> Result<Vec<EventEntry>, StoreError> {
    match reads.read_events(fold.consumer(), COUNT, BLOCK).await {
        Err(StoreError::NoGroup(_)) => {
            reads.create_projector_group().await?;
            tracing::info!("made the group of the log, from the first entry on");
            Ok(Vec::new())
        }
        other => other,
    }
}
