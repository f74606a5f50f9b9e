//! A task as the native door shows it, made from its hash and its outcomes alone.

use super::json::JsonObject;
use super::subtask::{self, SubtaskDocument};
use super::time::{Timestamp, now_ms};
use super::word::{Door, Priority, SubtaskStatus, TaskStatus};
use poem_openapi::Object;
use poem_openapi::types::Example;
use proto_schemas::TaskId;
use redis_store::read::TaskView;
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// The id of every example.
pub const EXAMPLE_ID: &str = "01K5QJ0000ABCDEFGHJKMNPQRS";

/// A task.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct TaskDocument {
    /// A ULID.
    pub task_id: String,
    /// As it was sent.
    pub description: String,
    /// Its status.
    pub status: TaskStatus,
    /// How urgent it is, unless a subtask says otherwise.
    pub priority: Priority,
    /// The door it came in by.
    pub door: Door,
    /// What it does, when it came in through the typed door.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When something last became known of it.
    pub updated_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When it may start, if it came in for later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// When whatever of it has not ended is cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Timestamp>,
    /// Subtasks in its plan.
    pub total: u32,
    /// Of these completed.
    pub completed: u32,
    /// Of these failed.
    pub failed: u32,
    /// Of these cancelled.
    pub cancelled: u32,
    /// Counts the changes of this document. Its ETag is this number, with `-delayed` behind it as long as subtasks wait
    /// for `run_at`.
    pub revision: u64,
    /// As it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<JsonObject>,
    /// Its plan, by index.
    pub subtasks: Vec<SubtaskDocument>,
    /// Where to go from here.
    pub links: TaskLinks,
}

/// Where to go from a task.
#[derive(Debug, Clone, Serialize, Object)]
pub struct TaskLinks {
    /// This document.
    #[serde(rename = "self")]
    #[oai(rename = "self")]
    pub this: String,
    /// Its result.
    pub result: String,
}

/// What an entity tag ends with as long as some of the task waits for its time.
pub const EARLY: &str = "-delayed";

impl TaskDocument {
    /// The document of a stored task.
    pub fn of(view: TaskView) -> Self {
        let subtasks = subtask::documents(&view, now_ms());
        let task = view.task;
        Self {
            subtasks,
            description: task.description.clone(),
            status: task.status.into(),
            priority: task.priority.into(),
            door: task.door.into(),
            kind: task.kind.as_ref().map(ToString::to_string),
            created_at: Timestamp::from_ms(task.created_at_ms),
            updated_at: Timestamp::from_ms(task.updated_at_ms),
            finished_at: task.finished_at_ms.map(Timestamp::from_ms),
            run_at: task.run_at_ms.map(Timestamp::from_ms),
            deadline_at: task.deadline_at_ms.map(Timestamp::from_ms),
            total: task.total,
            completed: task.completed,
            failed: task.failed,
            cancelled: task.cancelled,
            revision: task.revision,
            context: task.context.and_then(|text| RawValue::from_string(text).ok()).map(JsonObject),
            links: TaskLinks::of(&task.task_id),
            task_id: task.task_id.to_string(),
        }
    }

    /// Its entity tag: the revision, marked as long as time alone will change what the document says.
    pub fn etag(&self) -> String {
        format!("\"{}{}\"", self.revision, if self.is_early() { EARLY } else { "" })
    }

    /// How long it takes until time alone changes the document, if it will.
    pub fn due_in(&self) -> Option<Duration> {
        let run_at = self.run_at.as_ref().filter(|_| self.is_early())?;
        Some(Duration::from_millis(run_at.ms().saturating_sub(now_ms()) + 1))
    }

    /// Whether some of it waits for its time and for nothing else: once that has come it is queued, at the same
    /// revision.
    fn is_early(&self) -> bool {
        self.subtasks.iter().any(|it| it.status == SubtaskStatus::Delayed && it.reason.is_none())
    }
}

impl TaskLinks {
    /// The links of a task.
    pub fn of(task_id: &TaskId) -> Self {
        Self { this: format!("/tasks/{task_id}"), result: format!("/result/{task_id}") }
    }
}

impl Example for TaskDocument {
    fn example() -> Self {
        let subtask = |(index, (description, status)): (u32, (&str, SubtaskStatus))| {
            let queued = status == SubtaskStatus::Queued;
            SubtaskDocument {
                subtask_id: format!("{EXAMPLE_ID}-{index}"),
                index,
                name: None,
                kind: "simulate".to_owned(),
                description: description.to_owned(),
                status,
                priority: Priority::Medium,
                attempt: (!queued).then_some(1),
                crashes: (!queued).then_some(0),
                started_at: None,
                finished_at: (!queued).then(|| Timestamp::from_ms(1_790_000_002_004)),
                worker: None,
                reason: None,
                generation: None,
                depends_on: None,
            }
        };
        let plan = [
            ("Design user database schema", SubtaskStatus::Completed),
            ("Implement JWT token generation", SubtaskStatus::Queued),
            ("Create login/logout endpoints", SubtaskStatus::Queued),
            ("Add password hashing with bcrypt", SubtaskStatus::Queued),
        ];
        Self {
            task_id: EXAMPLE_ID.to_owned(),
            description: "Build a user authentication system".to_owned(),
            status: TaskStatus::Processing,
            priority: Priority::Medium,
            door: Door::Native,
            kind: None,
            created_at: Timestamp::from_ms(1_790_000_000_000),
            updated_at: Timestamp::from_ms(1_790_000_002_004),
            finished_at: None,
            run_at: None,
            deadline_at: Some(Timestamp::from_ms(1_790_604_800_000)),
            total: 4,
            completed: 1,
            failed: 0,
            cancelled: 0,
            revision: 2,
            context: None,
            subtasks: (0..).zip(plan).map(subtask).collect(),
            links: TaskLinks { this: format!("/tasks/{EXAMPLE_ID}"), result: format!("/result/{EXAMPLE_ID}") },
        }
    }
}
