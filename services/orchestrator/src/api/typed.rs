//! The typed door.

use super::Tag;
use crate::body::JsonBody;
use crate::context::Context;
use crate::governor::Pressure;
use crate::idempotency::IdempotencyKey;
use crate::prefer::Prefer;
use crate::refusal::Refusal;
use crate::refusal::documented::{self, Answer, Refusals, Refused};
use crate::refusal::sample;
use crate::submit::Stored;
use crate::submit::awaited::{self, Awaited};
use crate::traced::Opening;
use crate::trail::SharedTrail;
use crate::wire::answer::JsonText;
use crate::wire::assignment::{Assignment, NewAssignment};
use crate::wire::result::ResultDocument;
use crate::wire::task;
use crate::{outcome, submit};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::{ApiResponse, OpenApi};
use proto_schemas::TaskId;
use std::sync::Arc;

/// The operations on work by its kind.
pub struct TypedApi;

#[derive(ApiResponse)]
enum Assigned {
    /// Stored: it will run.
    #[oai(status = 200)]
    Work(
        JsonText<Assignment>,
        /// `true` if an earlier request with the same Idempotency-Key stored it.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
        /// How long was waited for its end at most, if that was preferred.
        #[oai(header = "Preference-Applied")]
        Option<String>,
    ),
}

struct Assigning;

impl Refusals for Assigning {
    const OWN: &'static [Answer] = &[
        (
            400,
            "A kind that no worker serves, or a malformed Idempotency-Key.",
            &[sample::unknown_task_type, || Refusal::IdempotencyKeyInvalid],
        ),
        (409, "The task that this Idempotency-Key stands for has expired.", &[|| Refusal::IdempotencyTaskGone]),
        (413, "The body has more than 1 MiB, or `params` more than 64 KiB.", &[|| Refusal::BodyTooLarge]),
        (422, "An Idempotency-Key that stands for another request.", &[|| Refusal::IdempotencyKeyReused]),
        (
            429,
            "Too much is waiting: in a queue, in Redis' memory or before the projectors.",
            &[|| Refusal::Overloaded(Pressure::Backlog)],
        ),
        (503, "Too few replicas have stored it.", &[|| Refusal::NotReplicated]),
    ];
    const WAY: &'static [&'static [Answer]] = documented::SENDING;
}

struct Asking;

impl Refusals for Asking {
    const OWN: &'static [Answer] =
        &[documented::NO_TASK, (422, "The results have more than 16 MiB together.", &[|| Refusal::ResultsTooLarge])];
    const WAY: &'static [&'static [Answer]] = documented::READING;
}

#[OpenApi(tag = "Tag::Typed")]
impl TypedApi {
    /// Assign work
    ///
    /// A task of one subtask of this kind. Works with and without the slash at the end.
    #[oai(path = "/assign-task", method = "post", operation_id = "assign_task")]
    #[allow(clippy::too_many_arguments)] // what a handler takes of a request is a parameter each
    async fn assign(
        &self,
        context: Data<&Arc<Context>>,
        trail: Data<&SharedTrail>,
        /// Your own key for this request, of 1 to 255 characters, in double quotes or a bare token: sent again with the
        /// same body within a day, it answers the same task.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        /// `wait=N`: answer once the task has ended, with its `outcome`, after N seconds (at most 30) at the latest.
        #[oai(name = "Prefer")]
        prefer: Prefer,
        body: JsonBody<NewAssignment>,
    ) -> Result<Assigned, Refused<Assigning>> {
        let (new, idempotency) = (body.document, key.of(body.fingerprint));
        let stored = match submit::resent(&context, idempotency.as_ref()).await? {
            Some(stored) => stored,
            None => {
                let opening = Opening::only(&trail);
                submit::store(&context, submit::typed(&context, new, idempotency, &opening).await?, &opening).await?
            }
        };
        let Stored { view, was_there } = stored;
        let task_id = &view.task.task_id;
        let _ = trail.made.set(format!("/tasks/{task_id}"));
        let Awaited { is_so: has_ended, applied } = awaited::end(&context, &trail, task_id, prefer).await;
        let outcome = if has_ended { context.ask(outcome::of(&context.store, task_id)).await.ok() } else { None };
        let assignment = Assignment { outcome, ..Assignment::of(task_id.to_string(), &view.task.description) };
        Ok(Assigned::Work(JsonText(assignment), was_there.then(|| "true".to_owned()), applied))
    }

    /// Read a result
    ///
    /// Of any task, whichever door it came in by. A result is kept for a day, the task a week.
    #[oai(path = "/result/:task_id", method = "get", operation_id = "get_result")]
    async fn result(
        &self,
        context: Data<&Arc<Context>>,
        /// As it was answered to the submission.
        #[oai(name = "task_id", example = "example_id")]
        task_id: Path<String>,
    ) -> Result<JsonText<ResultDocument>, Refused<Asking>> {
        let task_id = TaskId::new(task_id.0).map_err(|_| Refusal::TaskNotFound)?;
        Ok(JsonText(context.ask(outcome::of(&context.store, &task_id)).await?))
    }
}

fn example_id() -> String {
    task::EXAMPLE_ID.to_owned()
}
