//! Counts again: every task from its records, then from the facts that the log still holds. Nothing is acknowledged
//! and nothing is taken from the projectors at work, whose folds may come before, between and after.

use crate::chunk::chunks;
use crate::fold::add;
use crate::task_pages::TaskPages;
use proto_schemas::{ConsumerName, TaskId};
use redis_store::events::EventEntry;
use redis_store::fold::FoldCounts;
use redis_store::recount::Recounted;
use redis_store::{Store, StoreError};
use std::time::Duration;

/// What a rebuild did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Tasks that were recounted from their records.
    pub tasks: u64,
    /// Tasks that are listed, or were asked for, but do not exist.
    pub gone: u64,
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
    let mut report = RebuildReport::default();
    match &only {
        Some(task_id) => recount(store, task_id, task_ttl, &mut report).await?,
        None => {
            let mut pages = TaskPages::start(store).await?;
            while let Some(page) = pages.next().await? {
                for task_id in &page {
                    recount(store, task_id, task_ttl, &mut report).await?;
                }
            }
        }
    }
    let mut after = "-".to_owned();
    loop {
        let mut page = store.range_events(&after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(report) };
        after = last.entry_id.clone();
        report.entries += page.len() as u64;
        if let Some(task_id) = &only {
            keep_only(&mut page, task_id);
        }
        for chunk in chunks(&page) {
            add(&mut report.counts, store.fold_again(consumer, task_ttl, chunk).await?);
        }
    }
}

async fn recount(
    store: &Store,
    task_id: &TaskId,
    task_ttl: Duration,
    report: &mut RebuildReport,
) -> Result<(), StoreError> {
    match store.recount(task_id, task_ttl).await? {
        Recounted::Recounted => report.tasks += 1,
        Recounted::Gone => report.gone += 1,
    }
    Ok(())
}

fn keep_only(page: &mut Vec<EventEntry>, task_id: &TaskId) {
    for entry in &mut *page {
        entry.lines.retain(|line| line.as_ref().is_ok_and(|fact| fact.task_id == *task_id));
    }
    page.retain(|entry| !entry.lines.is_empty());
}
