//! From a request to a stored task: the rules beyond its shape, the plan, and one script call.

use crate::body::violation::{Class, Pointer, Violations};
use crate::context::Context;
use crate::refusal::Refusal;
use crate::wire::assignment::NewAssignment;
use crate::wire::json::{JsonObject, raw};
use crate::wire::new_task::{NewSubtask, NewTask};
use crate::wire::system::SERVICE;
use crate::wire::time::now_ms;
use proto_schemas::entry::KIND_DEFAULT;
use proto_schemas::limit::{ATTEMPTS_DEFAULT, PAYLOAD_BYTES_MAX, SUBTASKS_MAX, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX};
use proto_schemas::{ConsumerName, Door, Kind, Priority, SubtaskDefinition, Task, TaskId, TaskStatus};
use redis_store::read::TaskView;
use redis_store::submit::{Submission, Submitted};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::timeout;

const ATTEMPTS_MAX: u64 = 100;
const READ_BACK_DEADLINE: Duration = Duration::from_millis(400);

/// A task of the native door: the client's plan, or the planner's.
pub fn native(context: &Context, new: NewTask) -> Result<Submission, Refusal> {
    let root = Pointer::root();
    let mut violations = Violations::default();
    let priority = new.priority.map_or(Priority::Medium, |input| input.0);
    check_size(new.context.as_ref(), &root.field("context"), &mut violations);
    let subtasks = match new.subtasks {
        Some(list) => define(context, list, priority, &mut violations),
        None => {
            let plan = context.planner().plan(&new.description, priority);
            if !plan.iter().all(|subtask| context.serves(&subtask.kind)) {
                violations.add(
                    &root.field("description"),
                    Class::Kind,
                    "was planned with a kind that no worker serves",
                );
            }
            plan
        }
    };
    if !violations.is_empty() {
        return Err(Refusal::Invalid(violations));
    }
    let context = new.context.map(|JsonObject(text)| text.get().to_owned());
    Ok(Submission { context, ..submission(Door::Native, new.description, priority, subtasks) })
}

/// A task of the typed door: one subtask of the kind that was asked for.
pub fn typed(context: &Context, new: NewAssignment) -> Result<Submission, Refusal> {
    let root = Pointer::root();
    let mut violations = Violations::default();
    let Some(kind) = known_kind(context, &new.task_type) else {
        violations.add(&root.field("task_type"), Class::Kind, &kinds_rule(context));
        return Err(Refusal::UnknownTaskType(violations));
    };
    check_size(new.params.as_ref(), &root.field("params"), &mut violations);
    if !violations.is_empty() {
        return Err(Refusal::Invalid(violations));
    }
    let subtask = SubtaskDefinition {
        params: new.params.map_or_else(|| raw("{}"), |params| params.0),
        ..SubtaskDefinition::new(kind.clone(), new.task_type.as_str(), Priority::Medium)
    };
    Ok(Submission { kind: Some(kind), ..submission(Door::Typed, new.task_type, Priority::Medium, vec![subtask]) })
}

/// Stores it; answers the task as of its acceptance, whatever workers have done to it since.
pub async fn store(context: &Context, submission: Submission) -> Result<TaskView, Refusal> {
    match context.ask(context.store.submit(&submission, context.admission)).await? {
        Submitted::Created | Submitted::Existing(_) => {}
        Submitted::Conflict | Submitted::Overloaded => return Err(Refusal::Overloaded),
    }
    // The script took the time. The task is stored: if it cannot be read at once, our own clock will do.
    let stored = timeout(READ_BACK_DEADLINE, context.store.task(&submission.task_id)).await;
    let view = stored.ok().and_then(Result::ok).flatten();
    Ok(as_accepted(submission, view.map_or_else(now_ms, |view| view.task.created_at_ms)))
}

fn submission(door: Door, description: String, priority: Priority, subtasks: Vec<SubtaskDefinition>) -> Submission {
    let by = ConsumerName::new(SERVICE).expect("the name of the service is a token");
    Submission { door, priority, ..Submission::new(TaskId::generate(), by, description, subtasks) }
}

fn as_accepted(submission: Submission, at_ms: u64) -> TaskView {
    let task = Task {
        task_id: submission.task_id,
        description: submission.description,
        door: submission.door,
        status: TaskStatus::Queued,
        priority: submission.priority,
        kind: submission.kind,
        total: u32::try_from(submission.subtasks.len()).expect("a plan has at most 1,000 subtasks"),
        completed: 0,
        failed: 0,
        cancelled: 0,
        created_at_ms: at_ms,
        updated_at_ms: at_ms,
        finished_at_ms: None,
        run_at_ms: None,
        deadline_at_ms: None,
        revision: 1,
        subtasks: submission.subtasks,
        context: submission.context,
    };
    TaskView { task, outcomes: HashMap::new() }
}

fn define(
    context: &Context,
    list: Vec<NewSubtask>,
    priority: Priority,
    violations: &mut Violations,
) -> Vec<SubtaskDefinition> {
    let at = Pointer::root().field("subtasks");
    if !(1..=SUBTASKS_MAX).contains(&list.len()) {
        violations.add(&at, Class::Rule, "must have 1 to 1000 items");
        return Vec::new();
    }
    let mut names = HashSet::new();
    let mut defined = Vec::with_capacity(list.len());
    for (index, new) in list.into_iter().enumerate() {
        let at = at.item(index);
        if new.name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
            violations.add(&at.field("name"), Class::Rule, "stands twice in the plan");
        }
        defined.extend(define_one(context, new, priority, &at, violations));
    }
    defined
}

fn define_one(
    context: &Context,
    new: NewSubtask,
    priority: Priority,
    at: &Pointer,
    violations: &mut Violations,
) -> Option<SubtaskDefinition> {
    let kind = known_kind(context, new.kind.as_deref().unwrap_or(KIND_DEFAULT));
    if kind.is_none() {
        violations.add(&at.field("kind"), Class::Kind, &kinds_rule(context));
    }
    check_size(new.params.as_ref(), &at.field("params"), violations);
    let max_attempts = new.max_attempts.unwrap_or(ATTEMPTS_DEFAULT.into());
    if !(1..=ATTEMPTS_MAX).contains(&max_attempts) {
        violations.add(&at.field("max_attempts"), Class::Rule, "must be 1 to 100");
    }
    let timeout_ms = new.timeout_seconds.map_or(TIMEOUT_MS_DEFAULT, |seconds| seconds.saturating_mul(1_000));
    if !(1_000..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
        violations.add(&at.field("timeout_seconds"), Class::Rule, "must be 1 to 3600");
    }
    Some(SubtaskDefinition {
        name: new.name,
        params: new.params.map_or_else(|| raw("{}"), |params| params.0),
        max_attempts: max_attempts.try_into().ok()?,
        timeout_ms,
        ..SubtaskDefinition::new(kind?, new.description, new.priority.map_or(priority, |input| input.0))
    })
}

fn known_kind(context: &Context, name: &str) -> Option<Kind> {
    Kind::new(name).ok().filter(|kind| context.serves(kind))
}

fn kinds_rule(context: &Context) -> String {
    let known: Vec<&str> = context.kinds.iter().map(Kind::as_str).collect();
    format!("must be one of the known kinds: {}", known.join(", "))
}

fn check_size(object: Option<&JsonObject>, at: &Pointer, violations: &mut Violations) {
    if object.is_some_and(|JsonObject(text)| text.get().len() > PAYLOAD_BYTES_MAX) {
        violations.add(at, Class::Size, "must have at most 64 KiB");
    }
}
