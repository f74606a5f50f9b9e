//! Looking through the tasks, newest first. A list walks the indexes from its cursor and stops after a thousand
//! members, so a filter that matches few makes a short page with a cursor, never a slow one.

mod error_text;

use crate::context::Context;
use crate::refusal::Refusal;
use proto_schemas::Kind;
use redis_store::StoreError;
use redis_store::listing::{Place, Places, Span, TaskHead};
use std::time::{Duration, Instant};

/// Members of the indexes that one list looks at.
const LOOKED_AT_MAX: usize = 1_000;
/// After so long a page is what it is.
const TIME_MAX: Duration = Duration::from_millis(1_200);
/// Of these read at once: a command for each.
const READ_AT_ONCE: usize = 100;

/// Which tasks are meant; what is left out matches everything.
pub struct TaskFilter {
    /// Where in the indexes.
    pub span: Span,
    /// With a subtask of this kind.
    pub kind: Option<Kind>,
    /// Of which a subtask failed with an error that says this, in lower case.
    pub error: Option<String>,
}

/// Some tasks, and where to go on.
pub struct TaskPage {
    /// Newest first.
    pub tasks: Vec<TaskHead>,
    /// The last place that was looked at, if there may be more.
    pub next: Option<Place>,
}

/// At most `limit` tasks that match.
pub async fn page(context: &Context, mut filter: TaskFilter, limit: usize) -> Result<TaskPage, Refusal> {
    context.ask(walk(context, &mut filter, limit)).await
}

async fn walk(context: &Context, filter: &mut TaskFilter, limit: usize) -> Result<TaskPage, StoreError> {
    let (mut tasks, until) = (Vec::new(), Instant::now() + TIME_MAX);
    for _ in 0..LOOKED_AT_MAX / READ_AT_ONCE {
        let Places { places, next } = context.store.newest_tasks(&filter.span, READ_AT_ONCE).await?;
        let ids: Vec<_> = places.iter().map(|place| place.task_id.clone()).collect();
        let heads = context.store.task_heads(&ids).await?;
        let matching = matching(context, filter, heads).await?;
        for (place, head) in places.into_iter().zip(matching) {
            tasks.extend(head);
            filter.span.before = Some(place);
            if tasks.len() == limit {
                return Ok(TaskPage { tasks, next: filter.span.before.clone() });
            }
        }
        if next.is_none() {
            return Ok(TaskPage { tasks, next });
        }
        filter.span.before = next;
        if ids.is_empty() || Instant::now() >= until {
            break; // a short page with a cursor, be it empty
        }
    }
    Ok(TaskPage { tasks, next: filter.span.before.clone() })
}

/// Those that match, each in its place. An index may be a moment behind the task.
async fn matching(
    context: &Context,
    filter: &TaskFilter,
    heads: Vec<Option<TaskHead>>,
) -> Result<Vec<Option<TaskHead>>, StoreError> {
    let statuses = &filter.span.statuses;
    let is_meant = |head: &TaskHead| {
        (statuses.is_empty() || statuses.contains(&head.task.status))
            && filter.kind.as_ref().is_none_or(|kind| head.kinds.iter().any(|known| known == kind.as_str()))
    };
    let heads = heads.into_iter().map(|head| head.filter(is_meant)).collect();
    match &filter.error {
        Some(text) => error_text::only_with(&context.store, text, heads).await,
        None => Ok(heads),
    }
}
