//! What a client sends to the typed door, and its answer.

use super::json::JsonObject;
use super::result::ResultDocument;
use super::time::Timestamp;
use crate::body::Readable;
use crate::body::fields::Fields;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::Serialize;

/// One piece of work of a kind.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub struct NewAssignment {
    /// Its kind: which handler runs it.
    pub task_type: String,
    /// The handler's input: any object, at most 64 KiB, kept byte for byte; `{}` unless you say otherwise.
    pub params: Option<JsonObject>,
}

/// The answer to an assignment.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct Assignment {
    /// Ask `/result/{task_id}` for what came of it.
    pub task_id: String,
    /// Always `assigned`.
    pub status: AssignmentStatus,
    /// A sentence for people.
    pub message: String,
    /// When it was answered.
    pub timestamp: Timestamp,
    /// What came of it, if you preferred to wait and it ended in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ResultDocument>,
}

/// The one status of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum AssignmentStatus {
    /// It is stored and waits for a worker.
    Assigned,
}

impl Assignment {
    /// The answer for a task of this type.
    pub fn of(task_id: String, task_type: &str) -> Self {
        let message = format!("Task '{task_type}' successfully assigned");
        Self { task_id, status: AssignmentStatus::Assigned, message, timestamp: Timestamp::now(), outcome: None }
    }
}

impl Readable for NewAssignment {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        fields.require("task_type");
        Self { task_type: fields.text("task_type").unwrap_or_default(), params: fields.object("params") }
    }
}

impl Example for NewAssignment {
    fn example() -> Self {
        Self { task_type: "test_task".to_owned(), params: Some(JsonObject::empty()) }
    }
}

impl Example for Assignment {
    fn example() -> Self {
        Self {
            timestamp: Timestamp::from_ms(1_790_000_000_000),
            ..Self::of(super::task::EXAMPLE_ID.to_owned(), "test_task")
        }
    }
}
