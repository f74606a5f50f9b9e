//! `reopen` against its law, on tasks that lost which generation is the current one; counted again afterwards, as a
//! rebuild does.

use crate::history::check;
use crate::recount;
use crate::world::World;
use proto_schemas::TaskId;
use std::time::Duration;
use task_core::law::reopen::Reopen;

#[test]
fn reopen_keeps_to_its_law() {
    check(call, &["reopen some", "reopen none", "reopen what was lost", "reopen of a task that has ended"]);
}

pub fn call(world: &mut World) {
    let task_id = pick_task(world);
    let mut told = tell(world, &task_id);
    let has_lost = world.random.bool() && lose_by_hand(world, &task_id);
    world.random.shuffle(&mut told);
    let order = Reopen { task_id, told };
    let had_ended = world.books.tasks.get(&order.task_id).is_some_and(|task| task.state.status.is_terminal());
    for _ in 0..world.sendings() {
        let answer = world.call(
            &order,
            async |store| store.reopen(&order.task_id, &order.told).await,
            |books, _| books.reopen(&order),
        );
        world.count(if answer > 0 { "reopen some" } else { "reopen none" }, 1);
        world.count("reopen what was lost", u64::from(answer > 0 && has_lost));
        world.count("reopen of a task that has ended", u64::from(answer > 0 && had_ended));
    }
    recount::send(world, &order.task_id, Duration::from_secs(60));
}

/// A task, mostly one with later generations.
pub fn pick_task(world: &mut World) -> TaskId {
    let tasks = world.books.tasks.iter().filter(|(_, task)| !task.state.generations.is_empty());
    let later: Vec<TaskId> = tasks.map(|(task_id, _)| task_id.clone()).collect();
    let later = world.random.choice(later).filter(|_| world.random.u8(..4) > 0);
    later.unwrap_or_else(|| world.task_id())
}

/// What the log may tell: of each generation that is open, of earlier ones, of indexes beyond the plan, and sometimes
/// of the next one where the current one has ended. No generation follows on one that has not.
fn tell(world: &mut World, task_id: &TaskId) -> Vec<(u32, u32)> {
    let Some(task) = world.books.tasks.get(task_id) else { return vec![(0, 1)] };
    let (state, mut told) = (task.state.clone(), Vec::new());
    for index in 0..state.total {
        let current = state.generation(index);
        let has_ended = state.record(index).is_some();
        told.extend((1..=current).map(|generation| (index, generation)));
        told.extend((has_ended && current < 3 && world.random.u8(..4) == 0).then_some((index, current + 1)));
    }
    told.extend(world.random.bool().then_some((state.total, 1)));
    told
}

/// Someone deletes what says that generations are open; says whether any was.
fn lose_by_hand(world: &mut World, task_id: &TaskId) -> bool {
    let Some(task) = world.books.tasks.get_mut(task_id) else { return false };
    let lost = std::mem::take(&mut task.state.generations);
    for index in lost.keys() {
        world.stranger(&["HDEL", &format!("outcomes:{task_id}"), &format!("g:{index}")]);
    }
    !lost.is_empty()
}
