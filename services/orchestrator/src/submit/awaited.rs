//! Waiting for the end of what was just stored, if its client would rather wait than ask again.

use crate::context::Context;
use crate::feed::waiting::Waited;
use crate::prefer::Prefer;
use proto_schemas::TaskId;
use std::time::Duration;

/// What came of a preference.
#[derive(Debug, Default)]
pub struct Awaited {
    /// Whether the task has ended in time.
    pub has_ended: bool,
    /// The header `Preference-Applied`, if the preference was gone by.
    pub applied: Option<String>,
}

/// Waits for the end of a task as long as `prefer` says. The task is stored already, so nothing is refused here: where too
/// many wait, this one does not.
pub async fn end(context: &Context, task_id: &TaskId, prefer: Prefer) -> Awaited {
    let Some(limit) = prefer.wait() else { return Awaited::default() };
    if limit == Duration::ZERO {
        return Awaited { has_ended: false, applied: prefer.applied() };
    }
    match context.feed.wait(task_id, limit).await {
        Waited::Seen => Awaited { has_ended: true, applied: prefer.applied() },
        Waited::TimedOut => Awaited { has_ended: false, applied: prefer.applied() },
        Waited::Full => Awaited::default(),
    }
}
