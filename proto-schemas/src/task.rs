//! A task as `task:<id>` keeps it: flat readable fields for `redis-cli HGETALL`, and the plan as JSON.

use crate::id::{Kind, QueueName, TaskId};
use crate::limit;
use crate::status::{Door, Priority, TaskStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::str::FromStr;

/// One node of a plan, complete enough to run it again; its index is its place in the list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SubtaskDefinition {
    /// A name of the client's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which handler runs it.
    pub kind: Kind,
    /// Where it waits.
    #[serde(default = "QueueName::default_queue", skip_serializing_if = "is_default_queue")]
    pub queue: QueueName,
    /// For people.
    pub description: String,
    /// How urgent it is.
    pub priority: Priority,
    /// The handler's input, kept byte for byte.
    #[schemars(with = "serde_json::Value")]
    pub params: Box<RawValue>,
    /// The attempt after which a failure is final.
    #[serde(default = "attempts_default", skip_serializing_if = "is_attempts_default")]
    pub max_attempts: u32,
    /// Milliseconds one attempt may take.
    #[serde(default = "timeout_default", skip_serializing_if = "is_timeout_default")]
    pub timeout_ms: u64,
}

fn is_default_queue(queue: &QueueName) -> bool {
    queue.as_str() == "default"
}
fn attempts_default() -> u32 {
    limit::ATTEMPTS_DEFAULT
}
fn is_attempts_default(attempts: &u32) -> bool {
    *attempts == limit::ATTEMPTS_DEFAULT
}
fn timeout_default() -> u64 {
    limit::TIMEOUT_MS_DEFAULT
}
fn is_timeout_default(timeout_ms: &u64) -> bool {
    *timeout_ms == limit::TIMEOUT_MS_DEFAULT
}

/// The hash `task:<id>`. Times are ms of the Unix epoch and come from facts, so a fold and a re-fold agree.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its id.
    pub task_id: TaskId,
    /// What the client asked for.
    pub description: String,
    /// How it came in.
    pub door: Door,
    /// Where it stands.
    pub status: TaskStatus,
    /// How urgent it is, unless a subtask says otherwise.
    pub priority: Priority,
    /// The kind of a typed task; `None` for a plan.
    pub kind: Option<Kind>,
    /// Subtasks in the plan.
    pub total: u32,
    /// Of these completed.
    pub completed: u32,
    /// Of these failed.
    pub failed: u32,
    /// Of these cancelled.
    pub cancelled: u32,
    /// Accepted at.
    pub created_at_ms: u64,
    /// The newest fact's time.
    pub updated_at_ms: u64,
    /// The last terminal fact's time, once terminal.
    pub finished_at_ms: Option<u64>,
    /// Counts changes: the ETag.
    pub revision: u64,
    /// The plan.
    pub subtasks: Vec<SubtaskDefinition>,
    /// What the client sent along, as JSON text.
    pub context: Option<String>,
}

/// A hash that is not a task; names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("task field {0} is missing or malformed")]
pub struct TaskError(pub &'static str);

impl Task {
    /// Reads the hash. An absent counter is 0.
    pub fn decode(fields: &HashMap<String, String>) -> Result<Self, TaskError> {
        fn required<T: FromStr>(fields: &HashMap<String, String>, name: &'static str) -> Result<T, TaskError> {
            fields.get(name).and_then(|text| text.parse().ok()).ok_or(TaskError(name))
        }
        let count = |name: &'static str| -> Result<u32, TaskError> {
            fields.get(name).map_or(Ok(0), |text| text.parse().map_err(|_| TaskError(name)))
        };
        let plan: String = required(fields, "subtasks")?;
        Ok(Self {
            task_id: required(fields, "task_id")?,
            description: required(fields, "description")?,
            door: required(fields, "door")?,
            status: required(fields, "status")?,
            priority: required(fields, "priority")?,
            kind: fields.get("kind").map(|text| text.parse().map_err(|_| TaskError("kind"))).transpose()?,
            total: required(fields, "total")?,
            completed: count("completed")?,
            failed: count("failed")?,
            cancelled: count("cancelled")?,
            created_at_ms: required(fields, "created_at")?,
            updated_at_ms: required(fields, "updated_at")?,
            finished_at_ms: fields.get("finished_at").and_then(|text| text.parse().ok()),
            revision: required(fields, "revision")?,
            subtasks: serde_json::from_str(&plan).map_err(|_| TaskError("subtasks"))?,
            context: fields.get("context").cloned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_keeps_its_params_byte_for_byte() {
        let text = r#"{"kind":"k","description":"d","priority":"low","params":{"n": 18446744073709551616, "n": 1.0}}"#;
        let definition: SubtaskDefinition = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&definition).unwrap(), text);
        assert_eq!(definition.max_attempts, limit::ATTEMPTS_DEFAULT);
    }

    #[test]
    fn a_hash_without_its_status_is_named() {
        let fields: HashMap<String, String> = [
            ("task_id", "T"),
            ("description", "d"),
            ("door", "native"),
            ("priority", "low"),
            ("total", "0"),
            ("subtasks", "[]"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        assert_eq!(Task::decode(&fields).unwrap_err(), TaskError("status"));
    }
}
