//! What a handler knows of the attempt it runs.

use proto_schemas::{Priority, SubtaskId, TaskId, WorkEntry};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// One attempt, as its handler sees it.
#[derive(Debug, Clone)]
pub struct Context {
    entry: std::sync::Arc<WorkEntry>,
    entry_id: String,
    deadline: Instant,
    cancelled: CancellationToken,
}

impl Context {
    pub(crate) fn new(
        entry: std::sync::Arc<WorkEntry>,
        entry_id: String,
        deadline: Instant,
        cancelled: CancellationToken,
    ) -> Self {
        Self { entry, entry_id, deadline, cancelled }
    }

    /// The task.
    pub fn task_id(&self) -> &TaskId {
        &self.entry.task_id
    }

    /// Stable over attempts: give it to whatever you call, so that a repeated attempt has one effect.
    pub fn idempotency_key(&self) -> &SubtaskId {
        &self.entry.subtask_id
    }

    /// Larger for every later attempt: a store that keeps the greatest it has seen can refuse a late one.
    pub fn fencing_token(&self) -> &str {
        &self.entry_id
    }

    /// What people read.
    pub fn description(&self) -> &str {
        &self.entry.description
    }

    /// How urgent it is.
    pub fn priority(&self) -> Priority {
        self.entry.priority
    }

    /// From 1; counts failures.
    pub fn attempt(&self) -> u32 {
        self.entry.attempt
    }

    /// Workers that died with this subtask.
    pub fn crashes(&self) -> u32 {
        self.entry.crashes
    }

    /// When this attempt is stopped.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Fires when the attempt has lost its right to write, or the worker wants to stop. The attempt is dropped at its
    /// next await anyway; listen to stop what an await does not.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }
}
