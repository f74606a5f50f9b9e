//! The native door.

use super::Tag;
use crate::body::{JsonBody, OptionalJsonBody};
use crate::context::{self, Context};
use crate::idempotency::IdempotencyKey;
use crate::refusal::Refusal;
use crate::refusal::documented::{Refusals, Refused};
use crate::replay;
use crate::submit::{self, Stored};
use crate::wire::answer::JsonText;
use crate::wire::new_task::NewTask;
use crate::wire::replay::NewReplay;
use crate::wire::task::{self, TaskDocument};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::{ApiResponse, OpenApi};
use proto_schemas::{TaskId, TaskStatus};
use redis_store::cancel::{CancelOrder, Cancelled};
use redis_store::read::TaskView;
use std::sync::Arc;

/// The operations on tasks.
pub struct TasksApi;

#[derive(ApiResponse)]
enum Accepted {
    /// Stored: it will run. The document is as of its acceptance.
    #[oai(status = 202)]
    Task(
        JsonText<TaskDocument>,
        /// Where the task is read.
        #[oai(header = "Location")]
        String,
        /// The revision of the document.
        #[oai(header = "ETag")]
        String,
        /// `true` if an earlier request with the same Idempotency-Key stored it.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Replayed {
    /// It runs again. The document is as of that moment.
    #[oai(status = 202)]
    Task(
        JsonText<TaskDocument>,
        /// The revision of the document.
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Found {
    /// The task as it stands.
    #[oai(status = 200)]
    Task(
        JsonText<TaskDocument>,
        /// The revision of the document.
        #[oai(header = "ETag")]
        String,
    ),
}

struct Submitting;

impl Refusals for Submitting {
    const STATUSES: &'static [(u16, &'static str)] = &[
        (400, "Not JSON, not of the described shape, or an Idempotency-Key that is none; `errors` names the fields."),
        (408, "The body did not arrive within 10 seconds."),
        (409, "The task that this Idempotency-Key stands for has expired."),
        (413, "The body has more than 1 MiB, or `params` or `context` more than 64 KiB."),
        (415, "The body is not `application/json` in UTF-8, or is compressed."),
        (
            422,
            "Against a rule: an unknown kind, more than 1,000 subtasks, a name twice, dependencies that are unknown or lead \
             in a circle, nested deeper than 32, an Idempotency-Key that stands for another request.",
        ),
        (429, "Too much is waiting: in a queue, in Redis' memory or before the projectors."),
        (503, "Redis is unavailable or out of memory, or too few replicas have it."),
    ];
}

struct Reading;

impl Refusals for Reading {
    const STATUSES: &'static [(u16, &'static str)] =
        &[(404, "No task has this id, or it has expired."), (503, "Redis is unavailable.")];
}

struct Cancelling;

impl Refusals for Cancelling {
    const STATUSES: &'static [(u16, &'static str)] = &[
        (404, "No task has this id, or it has expired."),
        (409, "It has completed or failed."),
        (503, "Redis is unavailable."),
    ];
}

struct Replaying;

impl Refusals for Replaying {
    const STATUSES: &'static [(u16, &'static str)] = &[
        (400, "Not JSON, or not of the described shape; `errors` names the fields."),
        (404, "No task has this id, or it has expired."),
        (408, "The body did not arrive within 10 seconds."),
        (409, "It has not ended, or runs again already."),
        (413, "The body has more than 1 MiB."),
        (415, "The body is not `application/json` in UTF-8, or is compressed."),
        (422, "A subtask that the task does not have."),
        (429, "Too much is waiting: in Redis' memory or before the projectors."),
        (503, "Redis is unavailable or out of memory."),
    ];
}

#[OpenApi(tag = "Tag::Tasks")]
impl TasksApi {
    /// Submit a task
    ///
    /// Stores the task with all its subtasks, or nothing. Without `subtasks` they are planned from the description.
    #[oai(path = "/tasks", method = "post", operation_id = "submit_task")]
    async fn submit(
        &self,
        context: Data<&Arc<Context>>,
        /// Your own key for this request: sent again with the same body within a day, it answers the same task.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<NewTask>,
    ) -> Result<Accepted, Refused<Submitting>> {
        let (new, idempotency) = (body.document, key.of(body.fingerprint));
        let stored = match submit::resent(&context, idempotency.as_ref()).await? {
            Some(stored) => stored,
            None => submit::store(&context, submit::native(&context, new, idempotency).await?).await?,
        };
        let Stored { view, was_there } = stored;
        let document = TaskDocument::of(view);
        let (location, etag) = (document.links.this.clone(), document.etag());
        Ok(Accepted::Task(JsonText(document), location, etag, was_there.then(|| "true".to_owned())))
    }

    /// Read a task
    ///
    /// Any task, whichever door it came in by, until 7 days after its end.
    #[oai(path = "/tasks/:task_id", method = "get", operation_id = "get_task")]
    async fn read(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered to the submission.
        #[oai(name = "task_id", example = "example_id")]
        task_id: Path<String>,
    ) -> Result<Found, Refused<Reading>> {
        Ok(found(read(&context, &id(task_id.0)?).await?))
    }

    /// Cancel a task
    ///
    /// Whatever of it has not ended is cancelled at once; what a worker is running is stopped within a second. A task that
    /// is cancelled already is answered as it stands.
    #[oai(path = "/tasks/:task_id/cancel", method = "post", operation_id = "cancel_task")]
    async fn cancel(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered to the submission.
        #[oai(name = "task_id", example = "example_id")]
        task_id: Path<String>,
    ) -> Result<Found, Refused<Cancelling>> {
        let task_id = id(task_id.0)?;
        let order = CancelOrder { reason: None, task_ttl: context.task_ttl, only_past: false, if_revision: None };
        match context.ask(context.store.cancel(&context::by(), &task_id, &order)).await? {
            Cancelled::Cancelled(_) | Cancelled::Already(TaskStatus::Cancelled) => {}
            Cancelled::Already(_) | Cancelled::Early => return Err(Refusal::NotCancellable.into()),
            Cancelled::Gone => return Err(Refusal::TaskNotFound.into()),
        }
        Ok(found(read(&context, &task_id).await?))
    }

    /// Run a task again
    ///
    /// Of a task that has ended: what did not complete, or everything if all did, or the subtasks that you name with
    /// whatever was given up for them; a completed one that they depend on runs again too if its result has expired. What
    /// runs again begins at its first attempt, and at once: a `run_at` that is still ahead does not hold it up. The deadline
    /// is as far from now as it was from the start.
    #[oai(path = "/tasks/:task_id/replay", method = "post", operation_id = "replay_task")]
    async fn replay(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered to the submission.
        #[oai(name = "task_id", example = "example_id")]
        task_id: Path<String>,
        body: OptionalJsonBody<NewReplay>,
    ) -> Result<Replayed, Refused<Replaying>> {
        let document = TaskDocument::of(replay::task(&context, &id(task_id.0)?, body.0).await?);
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

fn found(view: TaskView) -> Found {
    let document = TaskDocument::of(view);
    let etag = document.etag();
    Found::Task(JsonText(document), etag)
}

fn example_id() -> String {
    task::EXAMPLE_ID.to_owned()
}
