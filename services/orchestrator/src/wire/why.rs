//! Why a task does not go on.

use super::task;
use super::time::Timestamp;
use super::word::{SubtaskStatus, TaskStatus};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::Serialize;

/// What a task waits for.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example)]
pub struct Explanation {
    /// The task.
    pub task_id: String,
    /// Its status.
    pub status: TaskStatus,
    /// A sentence for people.
    pub summary: String,
    /// Its subtasks that have not ended, by index, at most 100.
    pub waits: Vec<WaitDocument>,
    /// How many more there are.
    pub more: u64,
}

/// What a subtask waits for.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct WaitDocument {
    /// The subtask.
    pub subtask_id: String,
    /// Its place in the plan.
    pub index: u32,
    /// Its status.
    pub status: SubtaskStatus,
    /// What for.
    pub cause: WaitCause,
    /// A sentence for people.
    pub detail: String,
    /// When it goes on, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Of `dependency`: the subtasks that have to end, by index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parents: Option<Vec<u32>>,
    /// Of `backlog`: how many entries at most are taken before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead_max: Option<u64>,
}

/// What a subtask waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum WaitCause {
    /// Its handler: it runs.
    Running,
    /// Another worker: the one that ran it is not heard of any more.
    LostWorker,
    /// The time at which its task may start.
    RunAt,
    /// The pause after a failed attempt.
    Retry,
    /// A worker that serves its kind; a worker that does not has put it aside.
    Parked,
    /// Subtasks that it depends on.
    Dependency,
    /// A worker: none that lives serves its kind.
    NoWorker,
    /// A free slot, behind others.
    Backlog,
    /// Nothing: a worker has just taken it, or its end is about to be recorded.
    InHand,
    /// A projector: what happened to it is not recorded.
    NoProjector,
}

impl Example for Explanation {
    fn example() -> Self {
        let wait = WaitDocument {
            subtask_id: format!("{}-0", task::EXAMPLE_ID),
            index: 0,
            status: SubtaskStatus::Queued,
            cause: WaitCause::Backlog,
            detail: "it waits for a free slot: at most 7 entries are taken before it, 2 of 64 slots are free"
                .to_owned(),
            until: None,
            parents: None,
            ahead_max: Some(7),
        };
        Self {
            task_id: task::EXAMPLE_ID.to_owned(),
            status: TaskStatus::Queued,
            summary: wait.detail.clone(),
            waits: vec![wait],
            more: 0,
        }
    }
}
