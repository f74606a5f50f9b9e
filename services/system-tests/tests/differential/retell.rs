//! `retell` against its law, on tasks in which someone waits for what has ended.

use crate::history::check;
use crate::plans::{definitions, dependants, write_by_hand};
use crate::recount;
use crate::world::World;
use proto_schemas::record::{field_of, generation_field};
use proto_schemas::{Record, TaskId};
use redis_store::restore::pack_body;
use redis_store::retell::Retold;
use std::time::Duration;
use task_core::law::Dependencies;
use task_core::law::retell::Retell;

#[test]
fn retell_keeps_to_its_law() {
    check(
        call,
        &[
            "retell Retold",
            "retell Moved",
            "retell of an end that was not told",
            "retell of a later generation",
            "retell of a task that has ended",
        ],
    );
}

pub fn call(world: &mut World) {
    let task_id = pick_task(world);
    if world.random.u8(..3) == 0 {
        end_by_hand(world, &task_id);
    }
    let untold = if world.random.bool() { untell_by_hand(world, &task_id) } else { None };
    let task = world.books.tasks.get(&task_id);
    let ended: Vec<u32> = task
        .map_or(Vec::new(), |task| (0..task.state.total).filter(|index| task.state.record(*index).is_some()).collect());
    let mut revision = task.map_or(1, |task| task.revision);
    if world.random.u8(..8) == 0 {
        revision = world.pick([revision - 1, revision + 1]);
    }
    let any = [world.random.choice(ended), Some(world.random.u32(..7))];
    let any = if world.random.u8(..4) > 0 { any[0].or(any[1]) } else { any[1] };
    let index = untold.or(any).unwrap_or_default();
    let order = Retell { by: world.consumer(), task_id, revision, index };
    for _ in 0..world.sendings() {
        send(world, &order, untold.is_some());
    }
}

fn send(world: &mut World, order: &Retell, is_untold: bool) {
    let has_ended = world.books.tasks.get(&order.task_id).is_some_and(|task| task.state.status.is_terminal());
    let answer = world.call(
        order,
        async |store| store.retell(&order.by, &order.task_id, order.revision, order.index).await,
        |books, moment| books.retell(moment, order),
    );
    world.count(format!("retell {answer:?}"), 1);
    world.count("retell of a task that has ended", u64::from(has_ended));
    if answer == Retold::Retold {
        world.count("retell of an end that was not told", u64::from(is_untold));
        let generation = world.books.tasks[&order.task_id].state.generation(order.index);
        world.count("retell of a later generation", u64::from(generation > 0));
    }
}

/// A task, mostly one that is open and has a plan or of which something has ended.
fn pick_task(world: &mut World) -> TaskId {
    let open = world.books.tasks.iter().filter(|(_, task)| !task.state.status.is_terminal());
    let fits = open.filter(|(task_id, task)| {
        let has_ended = (0..task.state.total).any(|index| task.state.record(index).is_some());
        has_ended || world.books.plans.contains_key(task_id)
    });
    let fits: Vec<TaskId> = fits.map(|(task_id, _)| task_id.clone()).collect();
    let fits = world.random.choice(fits).filter(|_| world.random.u8(..4) > 0);
    fits.unwrap_or_else(|| world.task_id())
}

/// Someone lets a subtask wait for a parent that has ended, which nobody will tell it again; answers that parent.
fn untell_by_hand(world: &mut World, task_id: &TaskId) -> Option<u32> {
    let state = world.books.tasks.get(task_id).map(|task| task.state.clone())?;
    let plan = definitions(world, task_id);
    let edges = (0..).zip(&plan).flat_map(|(child, it)| it.depends_on.iter().map(move |edge| (child, edge.index)));
    let untold = edges.filter(|(child, _)| state.record(*child).is_none());
    let (child, parent): (u32, u32) = world.random.choice(untold.collect::<Vec<_>>())?;
    if state.record(parent).is_none() {
        record_by_hand(world, task_id, (parent, state.generation(parent)));
    }
    let definition = &plan[child as usize];
    let mut entry = definition.first_attempt(task_id, child).unwrap();
    entry.generation = state.generation(child);
    let known = world.books.plans.get(task_id).into_iter().flat_map(|plan| plan.queues.clone());
    let written = Dependencies {
        queues: known.chain([definition.queue.clone()]).collect(),
        blocked: [(child, pack_body(&definition.queue, &entry).into_bytes())].into(),
        waits: [(child, vec![parent])].into(),
        edges: [(parent, dependants(&plan, parent))].into(),
    };
    write_by_hand(world, task_id, &written);
    Some(parent)
}

/// Someone writes down that what has ended was run again, and how it ended then.
fn end_by_hand(world: &mut World, task_id: &TaskId) {
    let Some(state) = world.books.tasks.get(task_id).map(|task| task.state.clone()) else { return };
    let ended = (0..state.total).filter(|index| state.record(*index).is_some() && state.generation(*index) < 3);
    if let Some(index) = world.random.choice(ended.collect::<Vec<_>>()) {
        record_by_hand(world, task_id, (index, state.generation(index) + 1));
    }
}

/// Someone writes a record and has the task counted again.
fn record_by_hand(world: &mut World, task_id: &TaskId, (index, generation): (u32, u32)) {
    let (key, place) = (format!("outcomes:{task_id}"), field_of(index, generation));
    let text = world.pick(["completed 1 0 1790000000000", "failed 2 1 1790000000000 by.hand"]);
    world.stranger(&["HSET", &key, &place, text]);
    let state = &mut world.books.tasks.get_mut(task_id).unwrap().state;
    state.records.insert((index, generation), Record::decode(text).unwrap());
    if generation > state.generation(index) {
        state.generations.insert(index, generation);
        world.stranger(&["HSET", &key, &generation_field(index), &generation.to_string()]);
    }
    recount::send(world, task_id, Duration::from_secs(60));
}
