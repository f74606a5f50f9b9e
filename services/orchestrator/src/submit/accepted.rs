//! A task as of its acceptance: what its submission answers, the first time and each time it is sent again.

use crate::wire::time::now_ms;
use proto_schemas::{Task, TaskStatus};
use redis_store::read::TaskView;
use redis_store::submit::{Start, Submission};
use std::collections::HashMap;
use std::time::Duration;

/// A stored task as nothing had happened to it yet. One that was run again has another deadline now than it had then:
/// it has kept what its request asked for, `default` is for one that asked for none.
pub fn of_stored(stored: Task, default: Duration) -> TaskView {
    let created_at_ms = stored.created_at_ms;
    let deadline_after_ms = stored.deadline_after_ms.unwrap_or(default.as_millis() as u64);
    let task = Task {
        status: TaskStatus::Queued,
        completed: 0,
        failed: 0,
        cancelled: 0,
        updated_at_ms: created_at_ms,
        finished_at_ms: None,
        deadline_at_ms: Some(stored.run_at_ms.unwrap_or(created_at_ms) + deadline_after_ms),
        revision: 1,
        ..stored
    };
    TaskView { task, outcomes: HashMap::new() }
}

/// A task that cannot be read back, as it was submitted and by our own clock.
pub fn of_submission(submission: Submission, deadline: Duration) -> TaskView {
    let at_ms = now_ms();
    let run_at_ms = match submission.start {
        Start::Now => None,
        Start::After(delay) => Some(at_ms + delay.as_millis() as u64),
        Start::At(ms) => Some(ms).filter(|ms| *ms > at_ms),
    };
    let task = Task {
        task_id: submission.task_id,
        description: submission.description,
        door: submission.door,
        status: TaskStatus::Queued,
        priority: submission.priority,
        kind: submission.kind,
        total: u32::try_from(submission.subtasks.len()).expect("a plan has at most 1,000 subtasks"),
        completed: 0,
        failed: 0,
        cancelled: 0,
        created_at_ms: at_ms,
        updated_at_ms: at_ms,
        finished_at_ms: None,
        run_at_ms,
        deadline_at_ms: Some(run_at_ms.unwrap_or(at_ms) + deadline.as_millis() as u64),
        deadline_after_ms: submission.deadline.map(|deadline| deadline.as_millis() as u64),
        revision: 1,
        subtasks: submission.subtasks,
        context: submission.context,
    };
    TaskView { task, outcomes: HashMap::new() }
}
