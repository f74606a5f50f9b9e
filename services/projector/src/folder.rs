//! Folds the log as it grows. A new entry wakes it, through a read that blocks for a second on a connection of its own;
//! it writes nothing but what the fold script writes. If it dies after a read, the entries stay pending under its name
//! and a claimer folds them; if it dies after a fold was sent, the fold has happened or the same is true; there is no
//! third place to die in. One read, one fold, in turn: reading ahead of the fold was measured and is not faster.

use crate::chunk::{FACTS_MAX, weight};
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
/// Entries of one read at most: with one fact each, 16 take twice the CPU.
const COUNT_MAX: usize = 64;

pub(crate) struct Folder {
    fold: Arc<Fold>,
    reads: Store,
    pulse: Pulse,
    /// Entries of the next read.
    count: usize,
    /// Whether the log can be folded, as was seen last: an entry that is refused may be the trouble of one task.
    can_fold: bool,
}

impl Folder {
    /// `reads` must be a connection that nothing else uses.
    pub(crate) fn new(fold: Arc<Fold>, reads: Store, pulse: Pulse) -> Self {
        Self { fold, reads, pulse, count: COUNT_MAX, can_fold: false }
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) {
        let mut pause = Pause::new("folder");
        while !shutdown.is_cancelled() {
            match self.run_once(shutdown).await {
                // Perhaps it is not these entries but the whole installation: do not run through the log.
                Ok(Folded { acknowledged: 0, poisoned: 1.., .. }) => {
                    self.count = 1;
                    pause.wait(shutdown).await;
                }
                Ok(_) => pause.over(),
                Err(error) => pause.after(&error, shutdown).await,
            }
        }
        self.reads.close().await;
    }

    /// Reads once and folds what came. The pulse beats if that was folded or could have been.
    async fn run_once(&mut self, shutdown: &CancellationToken) -> Result<Folded, StoreError> {
        let entries = self.read().await?;
        self.count = next_count(&entries);
        let folded = self.fold.fold(&entries, shutdown).await;
        let was_refused = folded.poisoned > 0 || !self.can_fold;
        self.can_fold = folded.acknowledged > 0 || !was_refused || self.fold.can_fold().await;
        if self.can_fold {
            self.pulse.beat();
        }
        Ok(folded)
    }

    /// Reads first and makes the group only where it is missing: that is refused while Redis is out of memory, and
    /// folding must not be.
    async fn read(&self) -> Result<Vec<EventEntry>, StoreError> {
        match self.reads.read_events(self.fold.consumer(), self.count, BLOCK).await {
            Err(StoreError::NoGroup(_)) => {
                self.reads.create_projector_group().await?;
                tracing::info!("made the group of the log, from the first entry on");
                Ok(Vec::new())
            }
            other => other,
        }
    }
}

/// As many entries as make one fold call, if they are like the last ones: what is read waits for no other call.
fn next_count(last: &[EventEntry]) -> usize {
    let facts: usize = last.iter().map(weight).sum();
    (FACTS_MAX * last.len()).checked_div(facts).map_or(COUNT_MAX, |count| count.clamp(1, COUNT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_asks_for_as_many_entries_as_one_fold_takes() {
        let entries = |count: usize, lines: usize| -> Vec<EventEntry> {
            let entry = EventEntry { entry_id: "1-1".to_owned(), lines: vec![Err(Vec::new()); lines] };
            vec![entry; count]
        };
        assert_eq!(next_count(&entries(64, 128)), 4);
        assert_eq!(next_count(&entries(4, 1)), COUNT_MAX);
        assert_eq!(next_count(&entries(1, 100_000)), 1);
        assert_eq!(next_count(&[]), COUNT_MAX);
    }
}
