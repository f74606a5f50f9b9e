//! What a subtask left behind: the JSON text under `result:<subtask_id>`.

use crate::id::{SubtaskId, TaskId};
use crate::status::Outcome;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The result of one subtask, at most 256 KiB of JSON, kept for 24 h unless a setting says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SubtaskResult {
    /// The subtask.
    pub subtask_id: SubtaskId,
    /// Its task.
    pub task_id: TaskId,
    /// How it ended.
    pub status: Outcome,
    /// The display id of the worker that ran it.
    pub worker_id: String,
    /// RFC 3339, UTC, by the worker's clock.
    pub completed_at: String,
    /// A sentence for people.
    pub description: String,
    /// What the handler answered, when it completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub output: Option<Box<RawValue>>,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<SubtaskError>,
}

/// Why a subtask failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubtaskError {
    /// One word for programs; the same word stands in the record.
    pub reason: String,
    /// A sentence for people, at most 1,024 characters.
    pub message: String,
}
