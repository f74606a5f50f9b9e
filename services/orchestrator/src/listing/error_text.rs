//! Which tasks failed with an error that says something: by the word of its record, and by its message as long as its
//! result is kept.

use futures::future::try_join_all;
use proto_schemas::{Outcome, SubtaskId, SubtaskResult};
use redis_store::listing::TaskHead;
use redis_store::{Store, StoreError};
use task_core::replay::standing;

/// Failed subtasks of one task that are looked at: the first ones tell why.
const FAILURES_MAX: usize = 20;

/// Leaves in their places those of which a failure says `text`, whatever its case.
pub async fn only_with(
    store: &Store,
    text: &str,
    heads: Vec<Option<TaskHead>>,
) -> Result<Vec<Option<TaskHead>>, StoreError> {
    try_join_all(heads.into_iter().map(async |head| match head {
        Some(head) if head.task.failed > 0 && says(store, text, &head).await? => Ok(Some(head)),
        _ => Ok(None),
    }))
    .await
}

async fn says(store: &Store, text: &str, head: &TaskHead) -> Result<bool, StoreError> {
    let outcomes = store.outcomes(&head.task.task_id).await?;
    let failed = (0..head.task.total).filter_map(|index| {
        let record = standing(&outcomes, index).record.filter(|record| record.outcome == Outcome::Failed)?;
        Some((index, record.reason.unwrap_or_default()))
    });
    let failed: Vec<(u32, String)> = failed.take(FAILURES_MAX).collect();
    if failed.iter().any(|(_, reason)| reason.to_lowercase().contains(text)) {
        return Ok(true);
    }
    let ids: Vec<SubtaskId> = failed.iter().filter_map(|(index, _)| head.task.task_id.subtask(*index).ok()).collect();
    let results = store.results(&ids).await?;
    Ok(results.into_iter().flatten().any(|result| message(&result).is_some_and(|it| it.to_lowercase().contains(text))))
}

/// What somebody else wrote in its place says nothing.
fn message(result: &str) -> Option<String> {
    let result: SubtaskResult = serde_json::from_str(result).ok()?;
    Some(result.error?.message)
}
