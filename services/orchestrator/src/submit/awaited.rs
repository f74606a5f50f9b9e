//! Waiting for a task, if its client would rather wait than ask again: for the end of what was just stored, or for a change of
//! what the client has.

use crate::context::Context;
use crate::feed::waiting::Waited;
use crate::prefer::Prefer;
use proto_schemas::TaskId;
use std::time::Duration;

/// What came of a preference.
#[derive(Debug, Default)]
pub struct Awaited {
    /// Whether it has come to be in time.
    pub is_so: bool,
    /// The header `Preference-Applied`, if the preference was gone by.
    pub applied: Option<String>,
}

/// Waits for the end of a task as long as `prefer` says. The task is stored already, so nothing is refused here: where too
/// many wait, this one does not.
pub async fn end(context: &Context, task_id: &TaskId, prefer: Prefer) -> Awaited {
    awaited(prefer, |limit| context.feed.wait(task_id, limit)).await
}

/// Waits until a task is not at `revision` any more.
pub async fn change(context: &Context, task_id: &TaskId, revision: u64, prefer: Prefer) -> Awaited {
    awaited(prefer, |limit| context.feed.wait_change(task_id, revision, limit)).await
}

async fn awaited<F: Future<Output = Waited>>(prefer: Prefer, wait: impl FnOnce(Duration) -> F) -> Awaited {
    let Some(limit) = prefer.wait() else { return Awaited::default() };
    if limit == Duration::ZERO {
        return Awaited { is_so: false, applied: prefer.applied() };
    }
    match wait(limit).await {
        Waited::Seen => Awaited { is_so: true, applied: prefer.applied() },
        Waited::TimedOut => Awaited { is_so: false, applied: prefer.applied() },
        Waited::Full => Awaited::default(),
    }
}
