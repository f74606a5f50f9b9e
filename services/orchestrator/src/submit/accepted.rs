//! A task as of its acceptance: what its submission answers, the first time and each time it is sent again.

use crate::wire::time::now_ms;
use proto_schemas::{Task, TaskStatus};
use redis_store::read::TaskView;
use redis_store::submit::{Start, Submission};
use std::collections::HashMap;
use std::time::Duration;

/// The task as nothing had happened to it yet. What was stored goes before what was submitted: of a request that is sent
/// again the plan may be another one by now. Without it, the submission itself and our own clock will do.
pub fn view(submission: Submission, stored: Option<Task>, deadline: Duration) -> TaskView {
    let at_ms = stored.as_ref().map_or_else(now_ms, |task| task.created_at_ms);
    let run_at_ms = match (&stored, submission.start) {
        (Some(task), _) => task.run_at_ms,
        (None, Start::Now) => None,
        (None, Start::After(delay)) => Some(at_ms + delay.as_millis() as u64),
        (None, Start::At(ms)) => Some(ms).filter(|ms| *ms > at_ms),
    };
    // A task that was run again has another deadline now than it had then.
    let deadline = submission.deadline.unwrap_or(deadline).as_millis() as u64;
    let subtasks = stored.map_or(submission.subtasks, |task| task.subtasks);
    let task = Task {
        task_id: submission.task_id,
        description: submission.description,
        door: submission.door,
        status: TaskStatus::Queued,
        priority: submission.priority,
        kind: submission.kind,
        total: u32::try_from(subtasks.len()).expect("a plan has at most 1,000 subtasks"),
        completed: 0,
        failed: 0,
        cancelled: 0,
        created_at_ms: at_ms,
        updated_at_ms: at_ms,
        finished_at_ms: None,
        run_at_ms,
        deadline_at_ms: Some(run_at_ms.unwrap_or(at_ms) + deadline),
        revision: 1,
        subtasks,
        context: submission.context,
    };
    TaskView { task, outcomes: HashMap::new() }
}
