//! A task as `task:<id>` keeps it: flat readable fields for `redis-cli HGETALL`, and the plan as JSON.

use crate::entry::WorkEntry;
use crate::id::{IdError, Kind, QueueName, TaskId};
use crate::limit;
use crate::parent::Parent;
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
    /// Its kind: which handler runs it.
    pub kind: Kind,
    /// Where it waits.
    #[serde(default = "QueueName::default_queue", skip_serializing_if = "is_default_queue")]
    pub queue: QueueName,
    /// A sentence for people.
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
    /// The longest pause before the second attempt, in ms; it doubles with each further one.
    #[serde(default = "backoff_base_default", skip_serializing_if = "is_backoff_base_default")]
    pub backoff_base_ms: u64,
    /// The longest pause before any attempt, in ms.
    #[serde(default = "backoff_cap_default", skip_serializing_if = "is_backoff_cap_default")]
    pub backoff_cap_ms: u64,
    /// What has to end before it starts, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Parent>,
}

impl SubtaskDefinition {
    /// A definition with every default: no name, no params, the queue `default`, nothing to wait for.
    pub fn new(kind: Kind, description: impl Into<String>, priority: Priority) -> Self {
        Self {
            name: None,
            kind,
            queue: QueueName::default_queue(),
            description: description.into(),
            priority,
            params: RawValue::from_string("{}".to_owned()).expect("an empty object is JSON"),
            max_attempts: limit::ATTEMPTS_DEFAULT,
            timeout_ms: limit::TIMEOUT_MS_DEFAULT,
            backoff_base_ms: limit::BACKOFF_BASE_MS,
            backoff_cap_ms: limit::BACKOFF_CAP_MS,
            depends_on: Vec::new(),
        }
    }

    /// Its entry as a first attempt of generation 0. Fails only for a foreign task id that leaves no room for an index.
    pub fn first_attempt(&self, task_id: &TaskId, index: u32) -> Result<WorkEntry, IdError> {
        let unless = |value: u64, default: u64| (value != default).then_some(value);
        Ok(WorkEntry {
            task_id: task_id.clone(),
            subtask_id: task_id.subtask(index)?,
            index,
            generation: 0,
            kind: self.kind.clone(),
            description: self.description.clone(),
            priority: self.priority,
            attempt: 1,
            crashes: 0,
            max_attempts: self.max_attempts,
            timeout_ms: self.timeout_ms,
            payload: self.params.get().to_owned(),
            deadline_ms: None,
            backoff_base_ms: unless(self.backoff_base_ms, limit::BACKOFF_BASE_MS),
            backoff_cap_ms: unless(self.backoff_cap_ms, limit::BACKOFF_CAP_MS),
            result_ttl_s: None,
            parents: self.depends_on.clone(),
            traceparent: None,
            history: None,
            parked_at_ms: None,
        })
    }
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

fn backoff_base_default() -> u64 {
    limit::BACKOFF_BASE_MS
}
fn is_backoff_base_default(ms: &u64) -> bool {
    *ms == limit::BACKOFF_BASE_MS
}
fn backoff_cap_default() -> u64 {
    limit::BACKOFF_CAP_MS
}
fn is_backoff_cap_default(ms: &u64) -> bool {
    *ms == limit::BACKOFF_CAP_MS
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
    /// Its status.
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
    /// When it may start, if it was submitted for later.
    pub run_at_ms: Option<u64>,
    /// When it is ended if it has not ended; of tasks from before it was kept `None`.
    pub deadline_at_ms: Option<u64>,
    /// How many ms after its start, or after the start of another run, that is; `None` unless the client asked for it.
    pub deadline_after_ms: Option<u64>,
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
        let moment = |name| fields.get(name).and_then(|text| text.parse().ok());
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
            finished_at_ms: moment("finished_at"),
            run_at_ms: moment("run_at"),
            deadline_at_ms: moment("deadline_at"),
            deadline_after_ms: moment("deadline_after_ms"),
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
