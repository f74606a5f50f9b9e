//! What the commands read of a task's document. Fields that a command does not show are left alone.

use crate::exit::Exit;
use proto_schemas::{SubtaskStatus, TaskStatus};
use serde::Deserialize;

/// A task.
#[derive(Debug, Clone, Deserialize)]
pub struct Task {
    /// Its id.
    pub task_id: String,
    /// What was asked for.
    pub description: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// How urgent it is.
    pub priority: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339: not before then, if it is for later.
    pub run_at: Option<String>,
    /// RFC 3339: whatever of it has not ended then is cancelled.
    pub deadline_at: Option<String>,
    /// RFC 3339, once it has ended.
    pub finished_at: Option<String>,
    /// How many subtasks completed.
    pub completed: u64,
    /// How many failed.
    pub failed: u64,
    /// How many were cancelled.
    pub cancelled: u64,
    /// Its plan.
    pub subtasks: Vec<Subtask>,
}

/// A node of its plan.
#[derive(Debug, Clone, Deserialize)]
pub struct Subtask {
    /// Its id.
    pub subtask_id: String,
    /// The client's name for it.
    pub name: Option<String>,
    /// What runs it.
    pub kind: String,
    /// What it does.
    pub description: String,
    /// Where it stands.
    pub status: SubtaskStatus,
    /// At which attempt, if any.
    pub attempt: Option<u32>,
    /// After how many crashes.
    pub crashes: Option<u32>,
    /// How often it was run again, if it was.
    pub generation: Option<u32>,
    /// Why it ended, in a word.
    pub reason: Option<String>,
}

impl Task {
    /// How many subtasks have ended.
    pub fn ended(&self) -> u64 {
        self.completed + self.failed + self.cancelled
    }

    /// How a command that waits for the task ends.
    pub fn exit(&self) -> Exit {
        match self.status {
            TaskStatus::Queued | TaskStatus::Processing | TaskStatus::Completed => Exit::Ok,
            TaskStatus::Failed => Exit::Failed,
            TaskStatus::Cancelled => Exit::Cancelled,
        }
    }
}

impl Subtask {
    /// Where it stands, and why if that is told.
    pub fn state(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{} ({reason})", self.status),
            None => self.status.to_string(),
        }
    }
}
