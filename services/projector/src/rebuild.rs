//! Counts again: every task from its records, then from the facts that the log still holds. Nothing is acknowledged
//! and nothing is taken from the projectors at work, whose folds may come before, between and after.
//!
//! Three walks over the log. The first opens the generations again that it tells of, or their facts would be ignored.
//! The second folds what was cancelled, because a cancel is recorded at once and beats whatever was still on its way.
//! The third folds everything. Where there are generations it is done once more after another count: the end of an
//! earlier generation moves no counter, so only a count sees its time.

use crate::chunk::chunks;
use crate::task_pages::TaskPages;
use proto_schemas::{ConsumerName, FactKind, TaskId};
use redis_store::events::EventEntry;
use redis_store::fold::FoldCounts;
use redis_store::recount::Recounted;
use redis_store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a rebuild did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Tasks that were recounted from their records.
    pub tasks: u64,
    /// Tasks that are listed, or were asked for, but do not exist.
    pub gone: u64,
    /// Generations that were lost and that the log told of.
    pub reopened: u64,
    /// Entries of the log that were read.
    pub entries: u64,
    /// Their facts by what they did. What was counted here had lost its record.
    pub counts: FoldCounts,
}

/// Entries of the log in one page.
const PAGE: usize = 64;

/// Rebuilds every task, or `only` one. Idempotent, and safe beside live projectors; a task's status may be seen to
/// go back and forth once while it is under way. Stopped halfway, it is completed by running it again.
pub async fn rebuild(
    store: &Store,
    consumer: &ConsumerName,
    task_ttl: Duration,
    only: Option<TaskId>,
) -> Result<RebuildReport, StoreError> {
    let only = only.map(|task_id| BTreeSet::from([task_id]));
    Rebuild { store, consumer, task_ttl, only, report: RebuildReport::default() }.run().await
}

/// Rebuilds some tasks, as [`rebuild`] does.
pub(crate) async fn rebuild_some(
    store: &Store,
    consumer: &ConsumerName,
    task_ttl: Duration,
    tasks: BTreeSet<TaskId>,
) -> Result<RebuildReport, StoreError> {
    Rebuild { store, consumer, task_ttl, only: Some(tasks), report: RebuildReport::default() }.run().await
}

struct Rebuild<'a> {
    store: &'a Store,
    consumer: &'a ConsumerName,
    task_ttl: Duration,
    only: Option<BTreeSet<TaskId>>,
    report: RebuildReport,
}

impl Rebuild<'_> {
    async fn run(mut self) -> Result<RebuildReport, StoreError> {
        let with_generations = self.reopen().await?;
        self.recount_all().await?;
        self.fold_log(|kind| kind == FactKind::Cancelled).await?;
        self.report.entries = self.fold_log(|_| true).await?;
        if !with_generations.is_empty() {
            let report = self.report;
            self.only = Some(with_generations);
            self.recount_all().await?;
            self.fold_log(|_| true).await?;
            self.report = report;
        }
        Ok(self.report)
    }

    /// Folds the facts of some kinds in the whole log; answers how many entries it has.
    async fn fold_log(&mut self, is_kind: impl Fn(FactKind) -> bool) -> Result<u64, StoreError> {
        let (mut log, mut entries) = (LogPages::start(self.store), 0);
        while let Some(mut page) = log.next().await? {
            entries += page.len() as u64;
            self.keep(&mut page, &is_kind);
            for chunk in chunks(&page) {
                let folded = self.store.fold_again(self.consumer, self.task_ttl, chunk).await?;
                self.report.counts.add(folded.counts);
            }
        }
        Ok(entries)
    }

    /// Opens the generations that the log tells of; answers the tasks that have any.
    async fn reopen(&mut self) -> Result<BTreeSet<TaskId>, StoreError> {
        let (mut log, mut tasks) = (LogPages::start(self.store), BTreeSet::new());
        while let Some(mut page) = log.next().await? {
            self.keep(&mut page, |kind| kind == FactKind::Requeued);
            let mut told: BTreeMap<&TaskId, Vec<(u32, u32)>> = BTreeMap::new();
            for fact in page.iter().flat_map(|entry| &entry.lines).flatten() {
                let opened = fact.indexes().map(|index| (index, fact.generation));
                told.entry(&fact.task_id).or_default().extend(opened);
            }
            for (task_id, generations) in told {
                self.report.reopened += self.store.reopen(task_id, &generations).await?;
                tasks.insert(task_id.clone());
            }
        }
        Ok(tasks)
    }

    async fn recount_all(&mut self) -> Result<(), StoreError> {
        match self.only.clone() {
            Some(tasks) => {
                for task_id in &tasks {
                    self.recount(task_id).await?;
                }
            }
            None => {
                let mut pages = TaskPages::start(self.store).await?;
                while let Some(page) = pages.next().await? {
                    for task_id in &page {
                        self.recount(task_id).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn recount(&mut self, task_id: &TaskId) -> Result<(), StoreError> {
        match self.store.recount(task_id, self.task_ttl).await? {
            Recounted::Recounted => self.report.tasks += 1,
            Recounted::Gone => self.report.gone += 1,
        }
        self.store.relist(task_id, self.task_ttl).await.map(drop)
    }

    /// Leaves the facts of a kind about the tasks that are rebuilt, and the entries that have any.
    fn keep(&self, page: &mut Vec<EventEntry>, is_kind: impl Fn(FactKind) -> bool) {
        let is_its = |task_id: &TaskId| self.only.as_ref().is_none_or(|tasks| tasks.contains(task_id));
        for entry in &mut *page {
            entry.lines.retain(|line| line.as_ref().is_ok_and(|fact| is_kind(fact.kind) && is_its(&fact.task_id)));
        }
        page.retain(|entry| !entry.lines.is_empty());
    }
}

/// The log from its first entry to its last, page by page.
struct LogPages<'a> {
    store: &'a Store,
    after: String,
}

impl<'a> LogPages<'a> {
    fn start(store: &'a Store) -> Self {
        Self { store, after: "-".to_owned() }
    }

    /// The next page, or `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<EventEntry>>, StoreError> {
        let page = self.store.range_events(&self.after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after.clone_from(&last.entry_id);
        Ok(Some(page))
    }
}
