//! Waiting for a task, if its client would rather wait than ask again: for the end of what was just stored, or for a
//! change of what the client has.

use crate::context::Context;
use crate::feed::waiting::{Patience, Waited};
use crate::prefer::Prefer;
use crate::trail::Trail;
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

/// Waits for the end of a task as long as `prefer` says. The task is stored already, so nothing is refused here: where
/// too many wait, this one does not.
pub async fn end(context: &Context, trail: &Trail, task_id: &TaskId, prefer: Prefer) -> Awaited {
    awaited(trail, prefer, |patience| context.feed.wait(task_id, patience)).await
}

/// Waits until a task is not at `revision` any more.
pub async fn change(context: &Context, trail: &Trail, (task_id, revision): (&TaskId, u64), prefer: Prefer) -> Awaited {
    awaited(trail, prefer, |patience| context.feed.wait_change(task_id, revision, patience)).await
}

async fn awaited<'a, F: Future<Output = Waited>>(
    trail: &'a Trail,
    prefer: Prefer,
    wait: impl FnOnce(Patience<'a>) -> F,
) -> Awaited {
    let Some(limit) = prefer.wait() else { return Awaited::default() };
    if limit == Duration::ZERO {
        return Awaited { is_so: false, applied: prefer.applied() };
    }
    let client = trail.client.get().map(String::as_str);
    match wait(Patience { client, limit }).await {
        Waited::Seen => Awaited { is_so: true, applied: prefer.applied() },
        Waited::TimedOut => Awaited { is_so: false, applied: prefer.applied() },
        Waited::Full => Awaited::default(),
    }
}
