//! One fold that insists: what the folder and the claimer do with entries. While Redis is unavailable it waits. Entries
//! that cannot be folded, because a key of a task holds something else, stay pending and raise one alarm each; the
//! other tasks they tell of are folded all the same.

use crate::chunk::chunks;
use crate::chunk::weight;
use crate::config::Config;
use crate::metrics::ProjectorMetrics;
use crate::pause::Pause;
use crate::traced;
use proto_schemas::{ConsumerName, TaskId};
use redis_store::events::EventEntry;
use redis_store::fold::FoldCounts;
use redis_store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Alarmed entries that are remembered; beyond that the oldest may be named once more.
const ALARMS_MAX: usize = 10_000;

/// What it takes to fold, shared by the loops that do.
pub(crate) struct Fold {
    store: Store,
    consumer: ConsumerName,
    task_ttl: Duration,
    alarmed: Mutex<BTreeSet<String>>,
    metrics: Arc<ProjectorMetrics>,
}

/// What became of some entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Folded {
    /// Facts by what they did.
    pub counts: FoldCounts,
    /// Entries that were folded and acknowledged.
    pub acknowledged: usize,
    /// Entries that stay pending until a person has looked.
    pub poisoned: usize,
}

impl Fold {
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        let (consumer, task_ttl) = (config.consumer.clone(), config.task_ttl);
        Self { store, consumer, task_ttl, alarmed: Mutex::default(), metrics: config.metrics.clone() }
    }

    pub(crate) fn consumer(&self) -> &ConsumerName {
        &self.consumer
    }

    /// Folds all of `entries`, however often, until they are folded or poisoned; at a shutdown the rest stays pending.
    pub(crate) async fn fold(&self, entries: &[EventEntry], shutdown: &CancellationToken) -> Folded {
        let mut folded = Folded::default();
        let mut pause = Pause::new("fold");
        for chunk in chunks(entries) {
            loop {
                match self.fold_chunk(chunk, &mut folded).await {
                    Ok(()) => break pause.over(),
                    Err(error) => pause.after(&error, shutdown).await,
                }
                if shutdown.is_cancelled() {
                    return folded;
                }
            }
        }
        folded
    }

    /// Whether anything can be folded: a fold of nothing fails on the keys that all tasks share, and on no other.
    pub(crate) async fn can_fold(&self) -> bool {
        self.store.fold_again(&self.consumer, self.task_ttl, &[]).await.is_ok()
    }

    /// Folds one chunk in one call, or entry by entry if that is refused. An error means: the same again, later.
    async fn fold_chunk(&self, chunk: &[EventEntry], folded: &mut Folded) -> Result<(), StoreError> {
        match self.send(chunk).await {
            Ok(counts) => {
                folded.add(counts, chunk.len());
                return Ok(());
            }
            Err(error) if error.is_passing() => return Err(error),
            Err(_) => {}
        }
        for entry in chunk {
            match self.send(std::slice::from_ref(entry)).await {
                Ok(counts) => folded.add(counts, 1),
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => {
                    folded.poisoned += 1;
                    self.metrics.poisoned();
                    let held = match error {
                        StoreError::WrongType(_) => self.fold_healthy(entry).await?,
                        _ => Vec::new(),
                    };
                    self.alarm(entry, &error, &held);
                }
            }
        }
        Ok(())
    }

    /// One call of the script.
    async fn send(&self, entries: &[EventEntry]) -> Result<FoldCounts, StoreError> {
        let began = Instant::now();
        let folded = self.store.fold(&self.consumer, self.task_ttl, entries).await?;
        let took = began.elapsed();
        self.metrics.folded(folded.counts, entries.iter().map(weight).sum(), took);
        folded.ends.iter().for_each(|end| self.metrics.ended(end));
        traced::folded(entries, took);
        Ok(folded.counts)
    }

    /// Folds the lines of an entry task by task without acknowledging it; answers the tasks that refuse.
    async fn fold_healthy(&self, entry: &EventEntry) -> Result<Vec<TaskId>, StoreError> {
        let mut parts: BTreeMap<&TaskId, EventEntry> = BTreeMap::new();
        for fact in entry.lines.iter().flatten() {
            let empty = || EventEntry { entry_id: entry.entry_id.clone(), lines: Vec::new() };
            parts.entry(&fact.task_id).or_insert_with(empty).lines.push(Ok(fact.clone()));
        }
        let mut held = Vec::new();
        for (task_id, part) in parts {
            match self.store.fold_again(&self.consumer, self.task_ttl, std::slice::from_ref(&part)).await {
                Ok(folded) => folded.ends.iter().for_each(|end| self.metrics.ended(end)),
                Err(error) if error.is_passing() => return Err(error),
                Err(_) => held.push(task_id.clone()),
            }
        }
        Ok(held)
    }

    fn alarm(&self, entry: &EventEntry, error: &StoreError, held: &[TaskId]) {
        let mut alarmed = self.alarmed.lock().unwrap_or_else(PoisonError::into_inner);
        if !alarmed.insert(entry.entry_id.clone()) {
            return;
        }
        if alarmed.len() > ALARMS_MAX {
            alarmed.pop_first();
        }
        tracing::error!(
            entry_id = entry.entry_id,
            tasks = held.iter().map(TaskId::as_str).collect::<Vec<_>>().join(" "),
            error = error as &dyn std::error::Error,
            "an entry of the log cannot be folded: it stays pending until the key is repaired"
        );
    }
}

impl Folded {
    fn add(&mut self, counts: FoldCounts, entries: usize) {
        self.counts.add(counts);
        self.acknowledged += entries;
    }
}
