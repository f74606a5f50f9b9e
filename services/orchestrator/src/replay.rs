//! Running again what has ended, by task or by dead letter.

use crate::body::violation::{Class, Pointer, Violations};
use crate::context::{self, Context};
use crate::refusal::Refusal;
use crate::wire::replay::{NewReplay, SubtaskName};
use proto_schemas::limit::{GENERATIONS_MAX, RESULT_TTL_SECONDS, SUBTASKS_MAX};
use proto_schemas::{SubtaskDefinition, TaskId, WorkEntry};
use redis_store::read::TaskView;
use redis_store::requeue::{RequeueItem, RequeueOrder, Requeued};
use std::time::Duration;
use task_core::replay::{Again, Selection, again};

/// Opens a new generation of a task that has ended, and answers the task as it stands then.
pub async fn task(context: &Context, task_id: &TaskId, new: Option<NewReplay>) -> Result<TaskView, Refusal> {
    let view = context.ask(context.store.task(task_id)).await?.ok_or(Refusal::TaskNotFound)?;
    let selected = match new.and_then(|new| new.subtasks) {
        Some(names) => Some(indexes(&names, &view.task.subtasks)?),
        None => None,
    };
    if !view.task.status.is_terminal() {
        return Err(Refusal::NotReplayable);
    }
    let selection = selected.as_deref().map_or(Selection::Rest, Selection::These);
    let items = again(&view.task.subtasks, &view.outcomes, selection);
    match requeue(context, &view, &items, None).await? {
        Requeued::Requeued => context.ask(context.store.task(task_id)).await?.ok_or(Refusal::TaskNotFound),
        Requeued::Gone => Err(Refusal::NotReplayable),
    }
}

/// Opens a new generation of `items`, all of them or none, and takes away the letter that goes with it. It is more work
/// and refused as a submission is, but for the backlog of queues: that is looked at only there.
pub async fn requeue(
    context: &Context,
    view: &TaskView,
    items: &[Again],
    letter_id: Option<&str>,
) -> Result<Requeued, Refusal> {
    let task = &view.task;
    let deadline = task.deadline_after_ms.map_or(context.admission.deadline, Duration::from_millis);
    let mut order = RequeueOrder { task_id: &task.task_id, deadline, items: Vec::new(), dead_letter: letter_id };
    for item in items {
        let definition = &task.subtasks[item.index as usize];
        let Ok(entry) = definition.first_attempt(&task.task_id, item.index) else { return Ok(Requeued::Gone) };
        // As at its submission: what others wait for outlives their deadline.
        let result_ttl_s = (!item.edges.is_empty()).then(|| deadline.as_secs() + RESULT_TTL_SECONDS);
        let (entry, edges) = (WorkEntry { result_ttl_s, ..entry }, item.edges.clone());
        order.items.push(RequeueItem { entry, generation: item.generation, definition, edges });
    }
    if order.items.is_empty() {
        return Ok(Requeued::Gone);
    }
    if items.iter().any(|item| item.generation >= GENERATIONS_MAX) {
        return Err(Refusal::RunsExhausted);
    }
    context.admit()?;
    context.ask(context.store.requeue(&context::by(), &order)).await
}

fn indexes(names: &[SubtaskName], plan: &[SubtaskDefinition]) -> Result<Vec<u32>, Refusal> {
    let at = Pointer::root().field("subtasks");
    let mut violations = Violations::default();
    if !(1..=SUBTASKS_MAX).contains(&names.len()) {
        violations.add(&at, Class::Rule, "must have 1 to 1000 items");
        return Err(Refusal::Invalid(violations));
    }
    let mut found = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let index = match name {
            SubtaskName::Index(index) => Some(*index).filter(|index| (*index as usize) < plan.len()),
            SubtaskName::Name(name) => (0..).zip(plan).find(|(_, it)| it.name.as_ref() == Some(name)).map(|(at, _)| at),
        };
        if index.is_none() {
            violations.add(&at.item(place), Class::Rule, "is neither a name nor an index in this task");
        }
        found.extend(index);
    }
    if violations.is_empty() { Ok(found) } else { Err(Refusal::Invalid(violations)) }
}
