//! Tasks in a list.

use super::parameter::TaskCursor;
use super::task::{self, TaskDocument, TaskLinks};
use super::time::Timestamp;
use super::word::{Door, Priority, TaskStatus};
use crate::listing::TaskPage;
use poem_openapi::Object;
use poem_openapi::types::Example;
use redis_store::listing::TaskHead;
use serde::Serialize;

/// Some tasks, newest first.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct TaskList {
    /// At most as many as were asked for; fewer also where few match.
    pub tasks: Vec<TaskSummary>,
    /// Ask for the next page with it; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A task without its plan and its context.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct TaskSummary {
    /// Its id.
    pub task_id: String,
    /// As it was sent.
    pub description: String,
    /// Its status.
    pub status: TaskStatus,
    /// How urgent it is, unless a subtask says otherwise.
    pub priority: Priority,
    /// The door it came in by.
    pub door: Door,
    /// The kinds in its plan, each once.
    pub kinds: Vec<String>,
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
    /// Subtasks in its plan.
    pub total: u32,
    /// Of these completed.
    pub completed: u32,
    /// Of these failed.
    pub failed: u32,
    /// Of these cancelled.
    pub cancelled: u32,
    /// Counts its changes.
    pub revision: u64,
    /// Where to go from here.
    pub links: TaskLinks,
}

impl From<TaskPage> for TaskList {
    fn from(page: TaskPage) -> Self {
        let next_cursor = page.next.as_ref().map(|place| TaskCursor::from(place).to_string());
        Self { tasks: page.tasks.into_iter().map(TaskSummary::from).collect(), next_cursor }
    }
}

impl From<TaskHead> for TaskSummary {
    fn from(TaskHead { task, kinds }: TaskHead) -> Self {
        Self {
            status: task.status.into(),
            priority: task.priority.into(),
            door: task.door.into(),
            kinds,
            created_at: Timestamp::from_ms(task.created_at_ms),
            updated_at: Timestamp::from_ms(task.updated_at_ms),
            finished_at: task.finished_at_ms.map(Timestamp::from_ms),
            run_at: task.run_at_ms.map(Timestamp::from_ms),
            total: task.total,
            completed: task.completed,
            failed: task.failed,
            cancelled: task.cancelled,
            revision: task.revision,
            links: TaskLinks::of(&task.task_id),
            task_id: task.task_id.to_string(),
            description: task.description,
        }
    }
}

impl Example for TaskList {
    fn example() -> Self {
        let TaskDocument { description, status, priority, door, created_at, updated_at, links, .. } =
            TaskDocument::example();
        let summary = TaskSummary {
            task_id: task::EXAMPLE_ID.to_owned(),
            description,
            status,
            priority,
            door,
            kinds: vec!["simulate".to_owned()],
            created_at,
            updated_at,
            finished_at: None,
            run_at: None,
            total: 4,
            completed: 1,
            failed: 0,
            cancelled: 0,
            revision: 2,
            links,
        };
        Self { tasks: vec![summary], next_cursor: Some(format!("1790000000000.{}", task::EXAMPLE_ID)) }
    }
}
