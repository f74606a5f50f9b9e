//! What a subtask depends on has left: read once, before its handler starts.

use crate::pause::Pause;
use crate::shared::Shared;
use proto_schemas::{SubtaskResult, WorkEntry};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// By the parent's name; `None` if the result has expired or cannot be read.
pub(crate) type Parents = BTreeMap<String, Option<SubtaskResult>>;

/// The results of the parents of `entry`, however long Redis is away; `None` if the lease is lost meanwhile.
pub(crate) async fn read(shared: &Shared, entry: &WorkEntry, lost: &CancellationToken) -> Option<Parents> {
    if entry.parents.is_empty() {
        return Some(Parents::new());
    }
    let ids: Vec<_> = entry.parents.iter().filter_map(|parent| entry.task_id.subtask(parent.index).ok()).collect();
    let mut pause = Pause::new();
    let texts = loop {
        match lost.run_until_cancelled(shared.store.results(&ids)).await? {
            Ok(texts) => break texts,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot read what a subtask depends on yet");
                pause.wait(lost).await;
            }
        }
    };
    let results = texts.into_iter().map(|text| text.and_then(|text| serde_json::from_str(&text).ok()));
    Some(entry.parents.iter().map(|parent| parent.name.to_string()).zip(results).collect())
}
