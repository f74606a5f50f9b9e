//! What came of a task: its results, or why there are none.

use crate::refusal::Refusal;
use crate::wire::json::JsonValue;
use crate::wire::result::ResultDocument;
use crate::wire::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use proto_schemas::{Door, Outcome, SubtaskResult, Task, TaskId, TaskStatus};
use redis_store::read::TaskView;
use redis_store::{Store, StoreError};
use serde_json::value::{RawValue, to_raw_value};
use task_core::replay::standing;

/// Bytes of results in one answer; a thousand of the largest would be 256 MiB.
const RESULTS_BYTES_MAX: usize = 16 << 20;
const READS_AT_ONCE: usize = 32;

/// The document of `/result/{task_id}`.
pub async fn of(store: &Store, task_id: &TaskId) -> Result<ResultDocument, Refusal> {
    let view = store.task(task_id).await?.ok_or(Refusal::TaskNotFound)?;
    let (result, error) = match view.task.status {
        TaskStatus::Completed => (Some(results(store, &view.task).await?), None),
        TaskStatus::Failed => (None, Some(reason(store, &view).await?)),
        TaskStatus::Queued | TaskStatus::Processing | TaskStatus::Cancelled => (None, None),
    };
    let status = view.task.status.into();
    Ok(ResultDocument { task_id: task_id.to_string(), status, result, error, timestamp: Timestamp::now() })
}

/// One output for a typed task; a list by index, whatever its length, for the others: a client that sends plans of any
/// size reads one shape.
async fn results(store: &Store, task: &Task) -> Result<JsonValue, Refusal> {
    if task.door == Door::Typed {
        return Ok(output(subtask_result(store, task, 0).await?));
    }
    let mut bytes = 0;
    let outputs: Vec<JsonValue> = stream::iter(0..task.total)
        .map(|index| subtask_result(store, task, index))
        .buffered(READS_AT_ONCE)
        .map_ok(output)
        .and_then(|output| {
            bytes += output.0.get().len();
            std::future::ready(if bytes > RESULTS_BYTES_MAX { Err(Refusal::ResultsTooLarge) } else { Ok(output) })
        })
        .try_collect()
        .await?;
    let texts: Vec<&RawValue> = outputs.iter().map(|output| &*output.0).collect();
    let document = std::collections::BTreeMap::from([("subtasks", texts)]);
    to_raw_value(&document).map(JsonValue).map_err(|error| Refusal::Bug(error.to_string()))
}

/// The message of the first subtask that failed, or the word in its record once the message has expired.
async fn reason(store: &Store, view: &TaskView) -> Result<String, Refusal> {
    for index in 0..view.task.total {
        let Some(record) = standing(&view.outcomes, index).record.filter(|record| record.outcome == Outcome::Failed)
        else {
            continue;
        };
        let told = subtask_result(store, &view.task, index).await?.and_then(|result| result.error);
        let reason = told.map(|error| error.message).or(record.reason);
        return Ok(reason.unwrap_or_else(|| "failed".to_owned()));
    }
    Ok("failed".to_owned())
}

async fn subtask_result(store: &Store, task: &Task, index: u32) -> Result<Option<SubtaskResult>, Refusal> {
    let Ok(subtask_id) = task.task_id.subtask(index) else { return Ok(None) };
    match store.result(&subtask_id).await {
        Err(StoreError::Document(_)) => Ok(None), // somebody else wrote it: as good as none
        other => Ok(other?),
    }
}

fn output(result: Option<SubtaskResult>) -> JsonValue {
    result.and_then(|result| result.output).map_or_else(JsonValue::null, JsonValue)
}
