//! `requeue` against its law.

use crate::history::check;
use crate::plans::{definitions, dependants, edges_text};
use crate::world::World;
use proto_schemas::{OnFailure, Outcome, SubtaskDefinition, TaskId};
use redis_store::requeue::{RequeueItem, RequeueOrder};
use std::time::Duration;
use task_core::law::{self, EntryId, StreamName};

#[test]
fn requeue_keeps_to_its_law() {
    check(
        call,
        &[
            "requeue Requeued",
            "requeue Gone",
            "requeue Gone for a parent",
            "requeue of an ended task",
            "requeue of an ended task with a deadline",
            "requeue of an open task with a deadline",
            "requeue with dependencies",
            "requeue with its letter",
            "requeue of a later generation",
        ],
    );
}

pub fn call(world: &mut World) {
    let Some((task_id, plan)) = pick_task(world) else { return };
    let items = pick_items(world, &task_id, &plan);
    if items.is_empty() {
        return;
    }
    let letters = world.books.streams.get(&StreamName::DeadLetters);
    let letters: Vec<EntryId> = letters.into_iter().flat_map(|letters| letters.entries.keys().copied()).collect();
    let letter = match world.random.u8(..4) {
        0 => world.random.choice(letters),
        1 if world.random.bool() => Some(EntryId { ms: 5, sequence: 5 }), // never given out
        _ => None,
    };
    let deadline_ms = world.pick([60_000, 604_800_000]);
    let order = law::requeue::Requeue { by: world.consumer(), task_id, deadline_ms, items, dead_letter: letter };
    for _ in 0..world.sendings() {
        send(world, &order, &plan);
    }
}

/// A task with its plan, mostly one of which something has ended.
fn pick_task(world: &mut World) -> Option<(TaskId, Vec<SubtaskDefinition>)> {
    let ended =
        world.books.tasks.iter().filter(|(_, task)| (0..task.state.total).any(|at| task.state.record(at).is_some()));
    let ended: Vec<TaskId> = ended.map(|(task_id, _)| task_id.clone()).collect();
    let all: Vec<TaskId> = world.books.tasks.keys().cloned().collect();
    let among = if ended.is_empty() || world.random.u8(..8) == 0 { all } else { ended };
    let task_id = world.random.choice(among)?;
    let plan = definitions(world, &task_id);
    Some((task_id, plan))
}

/// Mostly subtasks that have ended, sometimes with a generation that is not the current one.
fn pick_items(world: &mut World, task_id: &TaskId, plan: &[SubtaskDefinition]) -> Vec<law::requeue::RequeueItem> {
    let mut items = Vec::new();
    for (index, definition) in (0..).zip(plan) {
        let state = &world.books.tasks[task_id].state;
        let (mut generation, has_ended) = (state.generation(index), state.record(index).is_some());
        let odds = if has_ended { 2 } else { 32 };
        if world.random.u8(..odds) > 0 {
            continue;
        }
        if world.random.u8(..16) == 0 {
            generation = world.pick([0, generation + 1]);
        }
        let mut entry = definition.first_attempt(task_id, index).unwrap();
        entry.deadline_ms = world.pick([None, Some(1_790_000_000_000)]);
        let (queue, priority) = (definition.queue.clone(), definition.priority);
        items.push(law::requeue::RequeueItem { entry, generation, queue, priority, edges: dependants(plan, index) });
    }
    world.random.shuffle(&mut items);
    items
}

fn send(world: &mut World, order: &law::requeue::Requeue, plan: &[SubtaskDefinition]) {
    let letter = order.dead_letter.map(|id| id.to_string());
    let asked = RequeueOrder {
        task_id: &order.task_id,
        deadline: Duration::from_millis(order.deadline_ms),
        items: order
            .items
            .iter()
            .map(|item| RequeueItem {
                entry: item.entry.clone(),
                generation: item.generation,
                definition: &plan[item.entry.index as usize],
                edges: edges_text(&item.edges),
            })
            .collect(),
        dead_letter: letter.as_deref(),
    };
    let lacks_parent = lacks_parent(world, order);
    let was_over = world.books.tasks[&order.task_id].state.status.is_terminal();
    let answer = world.call(
        order,
        async |store| store.requeue(&order.by, &asked).await,
        |books, moment| books.requeue(moment, order),
    );
    world.count(format!("requeue {answer:?}"), 1);
    world.count("requeue Gone for a parent", u64::from(lacks_parent));
    let done = |what: bool| u64::from(what && answer == redis_store::requeue::Requeued::Requeued);
    let has_deadline = world.books.tasks[&order.task_id].deadline_after_ms.is_some();
    world.count("requeue of an ended task", done(was_over));
    world.count("requeue of an ended task with a deadline", done(was_over && has_deadline));
    world.count("requeue of an open task with a deadline", done(!was_over && has_deadline));
    world.count("requeue with dependencies", done(world.books.plans.contains_key(&order.task_id)));
    world.count("requeue with its letter", done(letter.is_some()));
    world.count("requeue of a later generation", done(order.items.iter().any(|item| item.generation > 0)));
}

/// Whether all that speaks against it is a parent that is left as it ended and did not complete.
fn lacks_parent(world: &World, order: &law::requeue::Requeue) -> bool {
    let state = &world.books.tasks[&order.task_id].state;
    let is_current = |item: &law::requeue::RequeueItem| state.generation(item.entry.index) == item.generation;
    let has_ended = |item: &law::requeue::RequeueItem| state.record(item.entry.index).is_some();
    let stays = |index: u32| order.items.iter().all(|item| item.entry.index != index);
    let mut parents = order.items.iter().flat_map(|item| &item.entry.parents);
    order.dead_letter.is_none()
        && order.items.iter().all(|item| is_current(item) && has_ended(item))
        && parents.any(|parent| {
            let record = state.record(parent.index).filter(|_| stays(parent.index));
            parent.on_failure != OnFailure::Continue && record.is_some_and(|it| it.outcome != Outcome::Completed)
        })
}
