//! The native door.

mod answers;

use super::Tag;
use crate::batch::{self, Submitted};
use crate::body::{JsonBody, OptionalJsonBody};
use crate::context::{self, Context};
use crate::idempotency::IdempotencyKey;
use crate::listing::TaskFilter;
use crate::precondition::{IfMatch, IfNoneMatch};
use crate::prefer::Prefer;
use crate::refusal::Refusal;
use crate::refusal::documented::Refused;
use crate::submit::awaited::{self, Awaited};
use crate::submit::{self, Stored};
use crate::traced::Opening;
use crate::trail::SharedTrail;
use crate::wire::answer::JsonText;
use crate::wire::batch::NewBatch;
use crate::wire::new_task::NewTask;
use crate::wire::parameter::{ErrorText, KindName, PageLimit, Since, StatusList, TaskCursor};
use crate::wire::replay::NewReplay;
use crate::wire::task::{self, TaskDocument};
use crate::wire::task_list::TaskList;
use crate::{listing, replay};
use answers::{
    Accepted, Answered, Cancelling, Found, Halted, Listing, Reading, Replayed, Replaying, Submitting, SubmittingSeveral,
};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use proto_schemas::{TaskId, TaskStatus};
use redis_store::cancel::{CancelOrder, Cancelled};
use redis_store::listing::Span;
use redis_store::read::TaskView;
use std::sync::Arc;

/// The operations on tasks.
pub struct TasksApi;

#[OpenApi(tag = "Tag::Tasks")]
impl TasksApi {
    /// Submit a task
    ///
    /// Stores the task with all its subtasks, or nothing. Without `subtasks` they are planned from the description.
    #[oai(path = "/tasks", method = "post", operation_id = "submit_task")]
    #[allow(clippy::too_many_arguments)] // what a handler takes of a request is a parameter each
    async fn submit(
        &self,
        context: Data<&Arc<Context>>,
        trail: Data<&SharedTrail>,
        /// Your own key for this request, of 1 to 255 characters, in double quotes or a bare token: sent again with the
        /// same body within a day, it answers the same task.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        /// `wait=N`: answer once the task has ended, after N seconds (at most 30) at the latest.
        #[oai(name = "Prefer")]
        prefer: Prefer,
        body: JsonBody<NewTask>,
    ) -> Result<Accepted, Refused<Submitting>> {
        let (new, idempotency) = (body.document, key.of(body.fingerprint));
        let stored = match submit::resent(&context, idempotency.as_ref()).await? {
            Some(stored) => stored,
            None => {
                let opening = Opening::only(&trail);
                submit::store(&context, submit::native(&context, new, idempotency, &opening).await?, &opening).await?
            }
        };
        let Stored { view, was_there } = stored;
        let (task_id, replayed) = (view.task.task_id.clone(), was_there.then(|| "true".to_owned()));
        let _ = trail.made.set(format!("/tasks/{task_id}"));
        let Awaited { is_so, applied } = awaited::end(&context, &trail, &task_id, prefer).await;
        let ended = if is_so { read(&context, &task_id).await.ok() } else { None };
        let accepted = if ended.is_some() { Accepted::Ended } else { Accepted::Task };
        let document = TaskDocument::of(ended.unwrap_or(view));
        let (location, etag) = (document.links.this.clone(), document.etag());
        Ok(accepted(JsonText(document), location, etag, replayed, applied))
    }

    /// Submit several tasks
    ///
    /// Each is stored or refused for itself, as if it had been sent alone; `tasks` tells which, by their places. Sent
    /// again under the same Idempotency-Key with the same body, it answers the same tasks and stores what was not
    /// stored. The key stands for this body from then on, also if all of it was refused.
    #[oai(path = "/tasks/batch", method = "post", operation_id = "submit_tasks")]
    async fn submit_several(
        &self,
        context: Data<&Arc<Context>>,
        trail: Data<&SharedTrail>,
        /// Your own key for this request, of 1 to 255 characters, in double quotes or a bare token: sent again with the
        /// same body within a day, it answers the same tasks.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<NewBatch>,
    ) -> Result<Answered, Refused<SubmittingSeveral>> {
        let idempotency = key.of(body.fingerprint);
        let Submitted(answer, retry_after) = batch::submit(&context, body.document, idempotency, &trail).await?;
        Ok(Answered::Tasks(JsonText(answer), retry_after))
    }

    /// List tasks
    ///
    /// Newest first, without their plans. A request looks at 1,000 tasks at most: where few match, a page is short and
    /// still has a cursor. What changes its status meanwhile may be left out.
    #[oai(path = "/tasks", method = "get", operation_id = "list_tasks")]
    #[allow(clippy::too_many_arguments)] // each parameter of the query is one, and the document is made of them
    async fn list(
        &self,
        context: Data<&Arc<Context>>,
        /// Only those of these statuses, separated by commas.
        status: Query<Option<StatusList>>,
        /// Only those with a subtask of this kind.
        kind: Query<Option<KindName>>,
        /// Only those accepted at this time (RFC 3339) or later.
        since: Query<Option<Since>>,
        /// Only those of which a subtask failed with an error that says this (1 to 200 characters), in any case: its
        /// reason, as long as the task is kept, or its message, as long as the result is. Of a task the first 20
        /// failures are looked at.
        error: Query<Option<ErrorText>>,
        /// How many at most, 1 to 100; 50 unless you say otherwise.
        limit: Query<Option<PageLimit>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<TaskCursor>>,
    ) -> Result<JsonText<TaskList>, Refused<Listing>> {
        let statuses = status.0.map_or_else(Vec::new, |StatusList(statuses)| statuses);
        let since_ms = since.0.map_or(0, |Since(ms)| ms);
        let span = Span { statuses, since_ms, before: cursor.0.map(|TaskCursor(place)| place) };
        let (kind, error) = (kind.0.map(|KindName(kind)| kind), error.0.map(|ErrorText(text)| text));
        let page = listing::page(&context, TaskFilter { span, kind, error }, PageLimit::of(limit.0)).await?;
        Ok(JsonText(page.into()))
    }

    /// Read a task
    ///
    /// Any task, whichever door it came in by, until 7 days after its end. With `If-None-Match` and `Prefer: wait=20`
    /// it is answered as soon as it has changed, or after that time with 304.
    #[oai(path = "/tasks/:task_id", method = "get", operation_id = "get_task")]
    #[allow(clippy::too_many_arguments)] // what a handler takes of a request is a parameter each
    async fn read(
        &self,
        context: Data<&Arc<Context>>,
        trail: Data<&SharedTrail>,
        /// As it was answered to the submission.
        #[oai(name = "task_id", example = "example_id")]
        task_id: Path<String>,
        /// The `ETag` of the document that you have: if it is still the same, the answer is 304.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatch,
        /// `wait=20`: beside `If-None-Match`, wait for a change so many seconds, at most 30.
        #[oai(name = "Prefer")]
        prefer: Prefer,
    ) -> Result<Found, Refused<Reading>> {
        let task_id = id(task_id.0)?;
        let document = TaskDocument::of(read(&context, &task_id).await?);
        let (revision, etag, due_in) = (document.revision, document.etag(), document.due_in());
        if !if_none_match.names(&etag) {
            return Ok(found(document, None));
        }
        drop(document); // it may be large, and many may wait
        let prefer = prefer.no_longer_than(due_in);
        let Awaited { is_so, applied } = awaited::change(&context, &trail, (&task_id, revision), prefer).await;
        if !is_so && (due_in.is_none() || applied.is_none()) {
            return Ok(Found::Unchanged(etag, applied));
        }
        let document = TaskDocument::of(read(&context, &task_id).await?);
        Ok(match if_none_match.names(&document.etag()) {
            true => Found::Unchanged(document.etag(), applied),
            false => found(document, applied),
        })
    }

    /// Cancel a task
    ///
    /// Whatever of it has not ended is cancelled at once; what a worker is running is stopped within a second. A task
    /// that is cancelled already is answered as it stands.
    #[oai(path = "/tasks/:task_id/cancel", method = "post", operation_id = "cancel_task")]
    async fn cancel(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered to the submission.
        #[oai(name = "task_id", example = "example_id")]
        task_id: Path<String>,
        /// Only if the task is at this revision: the `ETag` of its document, of which the number counts.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
    ) -> Result<Halted, Refused<Cancelling>> {
        let (task_id, if_revision) = (id(task_id.0)?, if_match.revision()?);
        let order = CancelOrder { reason: None, task_ttl: context.task_ttl, only_past: false, if_revision };
        match context.ask(context.store.cancel(&context::by(), &task_id, &order)).await? {
            Cancelled::Cancelled(_, end) => end.iter().for_each(|end| context.metrics.ended(end)),
            Cancelled::Already(TaskStatus::Cancelled) => {}
            Cancelled::Already(_) | Cancelled::Early => return Err(Refusal::NotCancellable.into()),
            Cancelled::Changed => return Err(Refusal::PreconditionFailed.into()),
            Cancelled::Gone => return Err(Refusal::TaskNotFound.into()),
        }
        let document = TaskDocument::of(read(&context, &task_id).await?);
        let etag = document.etag();
        Ok(Halted::Task(JsonText(document), etag))
    }

    /// Run a task again
    ///
    /// Of a task that has ended: what did not complete, or everything if all did, or the subtasks that you name with
    /// whatever was given up for them; a completed one that they depend on runs again too if its result has expired.
    /// What runs again begins at its first attempt, and at once: a `run_at` that is still ahead does not hold it up.
    /// The deadline is as far from now as it was from the start.
    #[oai(path = "/tasks/:task_id/replay", method = "post", operation_id = "replay_task")]
    async fn replay(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered to the submission.
        #[oai(name = "task_id", example = "example_id")]
        task_id: Path<String>,
        /// Only if the task is at this revision: the `ETag` of its document, of which the number counts.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        body: OptionalJsonBody<NewReplay>,
    ) -> Result<Replayed, Refused<Replaying>> {
        let (task_id, if_revision) = (id(task_id.0)?, if_match.revision()?);
        let document = TaskDocument::of(replay::task(&context, &task_id, body.0, if_revision).await?);
        let etag = document.etag();
        Ok(Replayed::Task(JsonText(document), etag))
    }
}

fn id(text: String) -> Result<TaskId, Refusal> {
    TaskId::new(text).map_err(|_| Refusal::TaskNotFound)
}

async fn read(context: &Context, task_id: &TaskId) -> Result<TaskView, Refusal> {
    context.ask(context.store.task(task_id)).await?.ok_or(Refusal::TaskNotFound)
}

fn found(document: TaskDocument, applied: Option<String>) -> Found {
    let etag = document.etag();
    Found::Task(JsonText(document), etag, applied)
}

fn example_id() -> String {
    task::EXAMPLE_ID.to_owned()
}
