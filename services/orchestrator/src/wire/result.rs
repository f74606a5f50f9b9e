//! What came of a task, in the words of the typed door.

use super::json::{JsonValue, raw};
use super::time::Timestamp;
use super::word::ResultStatus;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Serialize;

/// The result of a task, as far as there is one.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct ResultDocument {
    /// The task.
    pub task_id: String,
    /// Its status.
    pub status: ResultStatus,
    /// Of a completed task: what its handler answered, byte for byte; `{"subtasks": [...]}` by index for a task of the
    /// native door; null in place of what has expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<JsonValue>,
    /// Of a failed task: why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was answered.
    pub timestamp: Timestamp,
}

impl Example for ResultDocument {
    fn example() -> Self {
        Self {
            task_id: super::task::EXAMPLE_ID.to_owned(),
            status: ResultStatus::Completed,
            result: Some(JsonValue(raw(r#"{"message":"test task completed"}"#))),
            error: None,
            timestamp: Timestamp::from_ms(1_790_000_003_000),
        }
    }
}
