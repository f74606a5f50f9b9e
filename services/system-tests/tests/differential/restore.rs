//! `restore` against its law, on tasks whose entries and plans someone deleted.

use crate::history::check;
use crate::plans::{definitions, dependants, fields, unblock_by_hand};
use crate::reopen;
use crate::strangers::delete_entry;
use crate::world::World;
use proto_schemas::{QueueName, SubtaskDefinition, TaskId, WorkEntry};
use redis_store::restore::{Restoration, Restored, pack_body};
use task_core::law::identity::identify;
use task_core::law::restore::{Later, Restore};
use task_core::law::{Dependencies, EntryId, PlanField, StreamName};

#[test]
fn restore_keeps_to_its_law() {
    check(
        call,
        &[
            "restore Restored",
            "restore Moved",
            "restore moved for a member of delayed",
            "restore into a stream",
            "restore into delayed",
            "restore into the plan",
            "restore of a later generation",
            "restore without a field of the plan",
            "restore of a task that has ended",
        ],
    );
}

/// What one subtask lacks.
enum Place {
    Stream(QueueName, WorkEntry),
    Delayed(u64, QueueName, WorkEntry),
    Plan(QueueName, WorkEntry, Vec<u32>),
}

pub fn call(world: &mut World) {
    let task_id = if world.random.u8(..4) == 0 { reopen::pick_task(world) } else { world.task_id() };
    if world.books.tasks.contains_key(&task_id) {
        break_by_hand(world, &task_id);
    }
    let (order, wanted) = work_out(world, &task_id);
    for _ in 0..world.sendings() {
        send(world, &order, &wanted);
    }
}

fn send(world: &mut World, order: &Restore, wanted: &Restoration) {
    let is_known = world.books.tasks.get(&order.task_id).is_some_and(|task| task.revision == order.revision);
    let has_ended = world.books.tasks.get(&order.task_id).is_some_and(|task| task.state.status.is_terminal());
    let answer = world.call(
        order,
        async |store| store.restore(&order.by, &order.task_id, order.revision, wanted).await,
        |books, moment| books.restore(moment, order),
    );
    world.count(format!("restore {answer:?}"), 1);
    world.count("restore moved for a member of delayed", u64::from(is_known && answer == Restored::Moved));
    let done = |count: usize| if answer == Restored::Restored { count as u64 } else { 0 };
    world.count("restore into a stream", done(order.ready.len()));
    world.count("restore into delayed", done(order.later.len()));
    world.count("restore into the plan", done(order.plan_set.blocked.len()));
    world.count("restore of a later generation", done(order.ready.iter().filter(|it| it.1.generation > 0).count()));
    world.count("restore without a field of the plan", done(order.plan_gone.len()));
    world.count("restore of a task that has ended", done(usize::from(has_ended)));
}

/// Someone deletes entries of a task and places of its plan.
fn break_by_hand(world: &mut World, task_id: &TaskId) {
    for (name, entry_id) in entries(world, task_id) {
        if world.random.bool() {
            delete_entry(world, &name, entry_id);
        }
    }
    let blocked = world.books.plans.get(task_id).into_iter().flat_map(|plan| plan.waits.keys().copied());
    for index in blocked.collect::<Vec<u32>>() {
        if world.random.bool() {
            unblock_by_hand(world, task_id, index);
        }
    }
}

/// The entries that say that they are of a task.
fn entries(world: &World, task_id: &TaskId) -> Vec<(StreamName, EntryId)> {
    let work = world.books.streams.iter().filter(|(name, _)| matches!(name, StreamName::Work(..)));
    let all = work.flat_map(|(name, stream)| stream.entries.iter().map(move |(id, fields)| (name, id, fields)));
    let its = all.filter(|(_, _, fields)| identify(fields).known().is_some_and(|it| it.task_id == *task_id));
    its.map(|(name, id, _)| (name.clone(), *id)).collect()
}

/// An order for some of what is open, as the law and as the store take it; mostly at the revision that there is.
fn work_out(world: &mut World, task_id: &TaskId) -> (Restore, Restoration) {
    let mut order = Restore {
        by: world.consumer(),
        task_id: task_id.clone(),
        revision: world.books.tasks.get(task_id).map_or(1, |task| task.revision),
        ready: Vec::new(),
        later: Vec::new(),
        plan_gone: Vec::new(),
        plan_set: Dependencies::default(),
    };
    let mut wanted = Restoration::default();
    if world.random.u8(..8) == 0 {
        order.revision = world.pick([order.revision - 1, order.revision + 1]);
    }
    if let Some(task) = world.books.tasks.get(task_id) {
        let (open, plan) = (task.state.open_indexes(), definitions(world, task_id));
        order.plan_gone = outdated(world, task_id);
        for place in open {
            match find_place(world, task_id, &plan, place) {
                Some(Place::Stream(queue, entry)) => order.ready.push((queue, entry)),
                Some(Place::Delayed(due_ms, queue, entry)) => {
                    let body = pack_body(&queue, &entry).into_bytes();
                    order.later.push(Later { subtask_id: entry.subtask_id.clone(), due_ms, body });
                    wanted.later.push((due_ms, queue, entry));
                }
                Some(Place::Plan(queue, entry, waits)) => block(world, &mut order, &plan, (queue, entry, waits)),
                None => {}
            }
        }
    }
    wanted.ready = order.ready.clone();
    wanted.plan_gone = order.plan_gone.iter().map(PlanField::to_string).collect();
    wanted.plan_set = fields(&order.plan_set);
    (order, wanted)
}

/// What nobody waits for any more in a plan: all of it once its task has ended.
fn outdated(world: &mut World, task_id: &TaskId) -> Vec<PlanField> {
    let (task, plan) = (&world.books.tasks[task_id], world.books.plans.get(task_id).cloned().unwrap_or_default());
    let (state, is_over) = (&task.state, task.state.status.is_terminal());
    let is_of_no_use = |index: &&u32| is_over || state.record(**index).is_some();
    let mut gone: Vec<PlanField> = Vec::new();
    gone.extend(plan.blocked.keys().filter(is_of_no_use).map(|index| PlanField::Blocked(*index)));
    gone.extend(plan.waits.keys().filter(is_of_no_use).map(|index| PlanField::Waits(*index)));
    gone.extend(plan.edges.keys().filter(|_| is_over).map(|index| PlanField::Edges(*index)));
    gone.extend(is_over.then_some(PlanField::Queues));
    if world.random.u8(..4) == 0 {
        gone.push(PlanField::Edges(99)); // which there is not
    }
    gone
}

/// Where a subtask that has not ended may go, if it goes anywhere.
fn find_place(
    world: &mut World,
    task_id: &TaskId,
    plan: &[SubtaskDefinition],
    (index, generation): (u32, u32),
) -> Option<Place> {
    let definition = &plan[index as usize];
    let (attempt, crashes) = (world.random.u32(1..4), world.random.u32(..3));
    let first = definition.first_attempt(task_id, index).unwrap();
    let entry = WorkEntry { generation, attempt, crashes, ..first };
    let queue = definition.queue.clone();
    let waits: Vec<u32> = definition.depends_on.iter().map(|parent| parent.index).collect();
    let now_ms = world.now_ms();
    match world.random.u8(..6) {
        0 | 1 => None,
        2 => Some(Place::Delayed(now_ms + 600_000, queue, entry)),
        3 | 4 if !waits.is_empty() => Some(Place::Plan(queue, entry, waits)),
        _ => Some(Place::Stream(queue, entry)),
    }
}

/// Lets an entry wait for some of its parents, all of which tell it.
fn block(
    world: &mut World,
    order: &mut Restore,
    plan: &[SubtaskDefinition],
    (queue, entry, mut waits): (QueueName, WorkEntry, Vec<u32>),
) {
    waits.truncate(world.random.usize(1..=waits.len()));
    let set = &mut order.plan_set;
    set.edges.extend(waits.iter().map(|parent| (*parent, dependants(plan, *parent))));
    set.blocked.insert(entry.index, pack_body(&queue, &entry).into_bytes());
    set.waits.insert(entry.index, waits);
    let named = world.books.plans.get(&order.task_id).into_iter().flat_map(|plan| plan.queues.clone());
    set.queues.extend(named.chain([queue]));
}
