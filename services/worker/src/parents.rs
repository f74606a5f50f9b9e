//! What a subtask depends on has left: read once, before its handler starts.

use crate::pause::Pause;
use crate::shared::Shared;
use chrono::{DateTime, SecondsFormat};
use proto_schemas::{Outcome, Parent, Record, SubtaskError, SubtaskResult, WorkEntry};
use redis_store::StoreError;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// By the parent's name; `None` if the output of one that completed has expired or cannot be read.
pub(crate) type Parents = BTreeMap<String, Option<SubtaskResult>>;

/// The results of the parents of `entry`, however long Redis is away; `None` if the lease is lost meanwhile.
pub(crate) async fn read(shared: &Shared, entry: &WorkEntry, lost: &CancellationToken) -> Option<Parents> {
    if entry.parents.is_empty() {
        return Some(Parents::new());
    }
    let mut pause = Pause::new();
    loop {
        match lost.run_until_cancelled(read_once(shared, entry)).await? {
            Ok(parents) => return Some(parents),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot read what a subtask depends on yet");
                pause.wait(lost).await;
            }
        }
    }
}

async fn read_once(shared: &Shared, entry: &WorkEntry) -> Result<Parents, StoreError> {
    let ids: Vec<_> = entry.parents.iter().filter_map(|parent| entry.task_id.subtask(parent.index).ok()).collect();
    let texts = shared.store.results(&ids).await?;
    let mut parents: Parents = entry
        .parents
        .iter()
        .zip(&texts)
        .map(|(parent, text)| (parent.name.to_string(), text.as_ref().and_then(|text| serde_json::from_str(text).ok())))
        .collect();
    let silent: Vec<&Parent> =
        entry.parents.iter().zip(&texts).filter(|(_, text)| text.is_none()).map(|(parent, _)| parent).collect();
    if !silent.is_empty() {
        let indexes: Vec<u32> = silent.iter().map(|parent| parent.index).collect();
        for (parent, record) in silent.into_iter().zip(shared.store.records(&entry.task_id, &indexes).await?) {
            parents.insert(parent.name.to_string(), record.and_then(|record| of_record(entry, parent, record)));
        }
    }
    Ok(parents)
}

/// What is known of a parent that left no result because it ended without a handler: its workers died with it, it was
/// skipped, it was cancelled.
fn of_record(entry: &WorkEntry, parent: &Parent, record: Record) -> Option<SubtaskResult> {
    let ended_at = i64::try_from(record.at_ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    let reason = record.reason.unwrap_or_else(|| record.outcome.to_string());
    (record.outcome != Outcome::Completed).then_some(SubtaskResult {
        subtask_id: entry.task_id.subtask(parent.index).ok()?,
        task_id: entry.task_id.clone(),
        status: record.outcome,
        worker_id: String::new(),
        completed_at: ended_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        description: String::new(),
        output: None,
        error: Some(SubtaskError { message: format!("it ended as {} and left no result", record.outcome), reason }),
    })
}
