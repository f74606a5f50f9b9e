//! `relist` against its law, on tasks that someone took out of `lifetimes`.

use crate::history::check;
use crate::recount;
use crate::world::World;
use proto_schemas::TaskId;
use redis_store::relist::Relisted;
use std::time::Duration;
use task_core::law::relist::Relist;

#[test]
fn relist_keeps_to_its_law() {
    check(
        call,
        &[
            "relist Relisted",
            "relist Kept",
            "relist Gone",
            "relist of an open task",
            "relist of a task that has ended",
            "relist of a task whose end nobody kept",
        ],
    );
}

pub fn call(world: &mut World) {
    let task_id = world.task_id();
    let is_broken = world.books.tasks.contains_key(&task_id) && world.random.u8(..3) > 0;
    if is_broken {
        break_by_hand(world, &task_id);
    }
    let task_ttl = Duration::from_secs(world.pick([60, 604_800]));
    let order = Relist { task_id, task_ttl_ms: task_ttl.as_millis() as u64 };
    for _ in 0..world.sendings() {
        let answer = world.call(
            &order,
            async |store| store.relist(&order.task_id, task_ttl).await,
            |books, _| books.relist(&order),
        );
        world.count(format!("relist {answer:?}"), 1);
        if answer == Relisted::Relisted {
            let state = &world.books.tasks[&order.task_id].state;
            let label = match (state.status.is_terminal(), state.finished_at_ms) {
                (false, _) => "relist of an open task",
                (true, Some(_)) => "relist of a task that has ended",
                (true, None) => "relist of a task whose end nobody kept",
            };
            world.count(label, 1);
        }
    }
    if is_broken {
        recount::send(world, &order.task_id, task_ttl); // when it ended follows from its records
    }
}

/// Someone takes a task out of its place, and sometimes says another end of it or forgets when it ended.
fn break_by_hand(world: &mut World, task_id: &TaskId) {
    world.stranger(&["ZREM", "lifetimes", task_id.as_str()]);
    world.books.lifetimes.remove(task_id);
    let (key, way, ended_at_ms) = (format!("task:{task_id}"), world.random.u8(..3), world.now_ms() - 5_000);
    let state = &mut world.books.tasks.get_mut(task_id).unwrap().state;
    match way {
        0 => {
            state.finished_at_ms = None;
            world.stranger(&["HDEL", &key, "finished_at"]);
        }
        1 => {
            state.finished_at_ms = Some(ended_at_ms);
            world.stranger(&["HSET", &key, "finished_at", &ended_at_ms.to_string()]);
        }
        _ => {}
    }
}
