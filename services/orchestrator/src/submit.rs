//! From a request to a stored task: the rules beyond its shape, the plan, and one script call.

mod accepted;
pub mod awaited;
mod plan;
mod schedule;

use crate::body::violation::{Class, Pointer, Violations};
use crate::context::{self, Context};
use crate::governor::Pressure;
use crate::refusal::Refusal;
use crate::traced::{self, Opening};
use crate::wire::assignment::NewAssignment;
use crate::wire::json::{JsonObject, raw};
use crate::wire::new_task::NewTask;
use crate::wire::time::now_ms;
use proto_schemas::limit::PAYLOAD_BYTES_MAX;
use proto_schemas::{Door, Priority, SubtaskDefinition};
use redis_store::StoreError;
use redis_store::read::TaskView;
use redis_store::submit::{Idempotency, Submission, Submitted};
use std::time::Duration;
use tokio::time::timeout;

const READ_BACK_DEADLINE: Duration = Duration::from_millis(400);

/// A task that is stored.
pub struct Stored {
    /// As of its acceptance.
    pub view: TaskView,
    /// Whether an earlier request with the same key stored it.
    pub was_there: bool,
}

/// The task that an earlier request with the same key stored. It is answered before anything is judged: what is refused
/// by now, an unknown kind or any more work, was not when it was stored, and nothing is stored again.
pub async fn resent(context: &Context, idempotency: Option<&Idempotency>) -> Result<Option<Stored>, Refusal> {
    let Some(idempotency) = idempotency else { return Ok(None) };
    let found = context.ask(async {
        let Some(task_id) = context.store.task_of_request(idempotency).await? else { return Ok(None) };
        Ok::<_, StoreError>(Some(context.store.task(&task_id).await?))
    });
    let Some(view) = found.await? else { return Ok(None) };
    let task = view.ok_or(Refusal::IdempotencyTaskGone)?.task;
    replicated(context).await?;
    let view = accepted::of_stored(task, context.admission.deadline);
    Ok(Some(Stored { view, was_there: true }))
}

/// A task of the native door: the client's plan, or the planner's.
pub async fn native(
    context: &Context,
    new: NewTask,
    idempotency: Option<Idempotency>,
    opening: &Opening,
) -> Result<Submission, Refusal> {
    let _planning = opening.plan();
    let mut violations = Violations::default();
    check_size(new.context.as_ref(), &Pointer::root().field("context"), &mut violations);
    let start = schedule::start(&new, now_ms(), &mut violations);
    let deadline = schedule::deadline(&new, &mut violations);
    let priority = new.priority.map_or(Priority::Medium, |input| input.0);
    let subtasks = match new.subtasks {
        Some(list) => plan::of_client(context, list, priority, &mut violations).await?,
        None => plan::of_planner(context, &new.description, priority, &mut violations).await?,
    };
    if !violations.is_empty() {
        return Err(Refusal::Invalid(violations));
    }
    let context = new.context.map(|JsonObject(text)| text.get().to_owned());
    let plain = submission(opening, Door::Native, new.description, priority, subtasks);
    Ok(Submission { context, start, deadline, idempotency, ..plain })
}

/// A task of the typed door: one subtask of the kind that was asked for.
pub async fn typed(
    context: &Context,
    new: NewAssignment,
    idempotency: Option<Idempotency>,
    opening: &Opening,
) -> Result<Submission, Refusal> {
    let _planning = opening.plan();
    let root = Pointer::root();
    let mut violations = Violations::default();
    let served = context.kinds.served(context, std::iter::once(new.task_type.as_str())).await?;
    let Some((kind, queue)) = served.find(&new.task_type) else {
        violations.add(&root.field("task_type"), Class::Kind, &served.rule());
        return Err(Refusal::UnknownTaskType(violations));
    };
    check_size(new.params.as_ref(), &root.field("params"), &mut violations);
    if !violations.is_empty() {
        return Err(Refusal::Invalid(violations));
    }
    let subtask = SubtaskDefinition {
        queue: queue.clone(),
        params: new.params.map_or_else(|| raw("{}"), |params| params.0),
        ..SubtaskDefinition::new(kind.clone(), new.task_type.as_str(), Priority::Medium)
    };
    let plain = submission(opening, Door::Typed, new.task_type, Priority::Medium, vec![subtask]);
    Ok(Submission { kind: Some(kind.clone()), idempotency, ..plain })
}

/// Stores it; answers the task as of its acceptance, whatever workers have done to it since.
pub async fn store(context: &Context, submission: Submission, opening: &Opening) -> Result<Stored, Refusal> {
    context.admit()?;
    let span = opening.submit(&submission);
    let answer = context.ask(context.store.submit(&submission, context.admission)).await;
    traced::stored(span, &answer);
    let task_id = match answer? {
        Submitted::Created => {
            context.metrics.accepted(submission.door);
            submission.task_id.clone()
        }
        Submitted::Existing(task_id) => task_id,
        Submitted::Conflict => return Err(Refusal::IdempotencyKeyReused),
        Submitted::Overloaded => return Err(context.overloaded(Pressure::Backlog)),
    };
    replicated(context).await?;
    // An id of our own that is there was stored by this very call, sent twice.
    let was_there = task_id != submission.task_id;
    // The script took the time. The task is stored: if it cannot be read at once, our own clock will do.
    let found = timeout(READ_BACK_DEADLINE, context.store.task(&task_id)).await.ok().and_then(Result::ok);
    let deadline = submission.deadline.unwrap_or(context.admission.deadline);
    let view = match found {
        Some(Some(view)) => accepted::of_stored(view.task, context.admission.deadline),
        Some(None) if was_there => return Err(Refusal::IdempotencyTaskGone),
        Some(None) | None => accepted::of_submission(Submission { task_id, ..submission }, deadline),
    };
    Ok(Stored { view, was_there })
}

/// Waits until as many replicas have it as the settings ask for.
async fn replicated(context: &Context) -> Result<(), Refusal> {
    match &context.replicas {
        Some(replicas) if !replicas.have_it().await => Err(Refusal::NotReplicated),
        Some(_) | None => Ok(()),
    }
}

fn submission(
    opening: &Opening,
    door: Door,
    description: String,
    priority: Priority,
    subtasks: Vec<SubtaskDefinition>,
) -> Submission {
    let plain = Submission::new(opening.task_id.clone(), context::by(), description, subtasks);
    Submission { door, priority, traceparent: opening.traceparent(), ..plain }
}

fn check_size(object: Option<&JsonObject>, at: &Pointer, violations: &mut Violations) {
    if object.is_some_and(|JsonObject(text)| text.get().len() > PAYLOAD_BYTES_MAX) {
        violations.add(at, Class::Size, "must have at most 64 KiB");
    }
}
