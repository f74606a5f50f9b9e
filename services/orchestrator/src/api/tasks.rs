//! The native door.

use super::Tag;
use crate::body::JsonBody;
use crate::context::Context;
use crate::refusal::Refusal;
use crate::refusal::documented::{Refusals, Refused};
use crate::submit;
use crate::wire::answer::JsonText;
use crate::wire::new_task::NewTask;
use crate::wire::task::{self, TaskDocument};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::{ApiResponse, OpenApi};
use proto_schemas::TaskId;
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
        (400, "Not JSON, or not of the described shape; `errors` names the fields. Nothing was stored."),
        (408, "The body did not arrive within 10 seconds."),
        (413, "The body has more than 1 MiB, or `params` or `context` more than 64 KiB."),
        (415, "The body is not `application/json` in UTF-8, or is compressed."),
        (422, "Against a rule: an unknown kind, more than 1,000 subtasks, a name twice, nested deeper than 32."),
        (429, "A queue is full."),
        (503, "Redis is unavailable or out of memory."),
    ];
}

struct Reading;

impl Refusals for Reading {
    const STATUSES: &'static [(u16, &'static str)] =
        &[(404, "No task has this id, or it has expired."), (503, "Redis is unavailable.")];
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
        body: JsonBody<NewTask>,
    ) -> Result<Accepted, Refused<Submitting>> {
        let submission = submit::native(&context, body.0)?;
        let document = TaskDocument::of(submit::store(&context, submission).await?);
        let (location, etag) = (document.links.this.clone(), document.etag());
        Ok(Accepted::Task(JsonText(document), location, etag))
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
        let task_id = TaskId::new(task_id.0).map_err(|_| Refusal::TaskNotFound)?;
        let view = context.ask(context.store.task(&task_id)).await?.ok_or(Refusal::TaskNotFound)?;
        let document = TaskDocument::of(view);
        let etag = document.etag();
        Ok(Found::Task(JsonText(document), etag))
    }
}

fn example_id() -> String {
    task::EXAMPLE_ID.to_owned()
}
