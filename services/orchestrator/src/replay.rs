//! Running again what has ended, by task or by dead letter.

use crate::body::violation::{Class, Pointer, Violations};
use crate::context::{self, Context};
use crate::refusal::Refusal;
use crate::wire::replay::{NewReplay, SubtaskName};
use proto_schemas::limit::{GENERATIONS_MAX, RESULT_TTL_SECONDS, SUBTASKS_MAX};
use proto_schemas::{Outcome, SubtaskDefinition, TaskId, WorkEntry};
use redis_store::read::TaskView;
use redis_store::requeue::{RequeueItem, RequeueOrder, Requeued};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;
use task_core::replay::{Again, Selection, again, standing};

/// Opens a new generation of a task that has ended, and answers the task as it stands then.
pub async fn task(
    context: &Context,
    task_id: &TaskId,
    new: Option<NewReplay>,
    if_revision: Option<u64>,
) -> Result<TaskView, Refusal> {
    let view = context.ask(context.store.task(task_id)).await?.ok_or(Refusal::TaskNotFound)?;
    // What changes after this look is told by the generations that the request replaces.
    if if_revision.is_some_and(|revision| revision != view.task.revision) {
        return Err(Refusal::PreconditionFailed);
    }
    let selected = match new.and_then(|new| new.subtasks) {
        Some(names) => Some(indexes(&names, &view.task.subtasks)?),
        None => None,
    };
    if !view.task.status.is_terminal() {
        return Err(Refusal::NotReplayable);
    }
    let selection = selected.as_deref().map_or(Selection::Rest, Selection::These);
    let items = chosen(context, &view, selection).await?;
    match requeue(context, &view, &items, None).await? {
        Requeued::Requeued => context.ask(context.store.task(task_id)).await?.ok_or(Refusal::TaskNotFound),
        Requeued::Gone => Err(Refusal::NotReplayable),
    }
}

/// What runs again with what is selected: beside all that belongs to it, completed parents whose results are gone by
/// now. Without them a child would start with nothing.
pub async fn chosen(context: &Context, view: &TaskView, selection: Selection<'_>) -> Result<Vec<Again>, Refusal> {
    let (plan, outcomes) = (&view.task.subtasks, &view.outcomes);
    let mut items = again(plan, outcomes, selection);
    loop {
        let gone = gone_parents(context, view, &items).await?;
        if gone.is_empty() {
            return Ok(items);
        }
        // They are none of the items yet, so that this ends with the plan at the latest.
        let indexes: Vec<u32> = items.iter().map(|item| item.index).chain(gone).collect();
        items = again(plan, outcomes, Selection::These(&indexes));
    }
}

/// Completed parents of `items` that do not run again themselves and have no result any more.
async fn gone_parents(context: &Context, view: &TaskView, items: &[Again]) -> Result<Vec<u32>, Refusal> {
    let runs: HashSet<u32> = items.iter().map(|item| item.index).collect();
    let has_completed =
        |index: u32| standing(&view.outcomes, index).record.is_some_and(|record| record.outcome == Outcome::Completed);
    let parents = items.iter().flat_map(|item| &view.task.subtasks[item.index as usize].depends_on);
    let parents: BTreeSet<u32> = parents.map(|parent| parent.index).collect();
    let parents = parents.into_iter().filter(|index| !runs.contains(index) && has_completed(*index));
    let (indexes, ids): (Vec<u32>, Vec<_>) =
        parents.filter_map(|index| Some((index, view.task.task_id.subtask(index).ok()?))).unzip();
    let have = context.ask(context.store.have_results(&ids)).await?;
    Ok(indexes.into_iter().zip(have).filter(|(_, has)| !has).map(|(index, _)| index).collect())
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
