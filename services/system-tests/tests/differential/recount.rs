//! `recount` against its law, on tasks whose hash or index places someone broke.

use crate::history::check;
use crate::world::World;
use proto_schemas::{Record, TaskId, TaskStatus};
use std::time::Duration;
use task_core::law::TaskBook;
use task_core::law::recount::Recount;

#[test]
fn recount_keeps_to_its_law() {
    check(call, &["recount Recounted", "recount Gone"]);
}

pub fn call(world: &mut World) {
    let task_id = world.task_id();
    if world.books.tasks.contains_key(&task_id) {
        break_by_hand(world, &task_id);
    }
    let task_ttl = Duration::from_secs(world.pick([60, 604_800]));
    for _ in 0..world.sendings() {
        send(world, &task_id, task_ttl);
    }
}

/// One recount, as it is due after whatever changes records by hand.
pub fn send(world: &mut World, task_id: &TaskId, task_ttl: Duration) {
    let order = Recount { task_id: task_id.clone(), task_ttl_ms: task_ttl.as_millis() as u64 };
    let answer = world.call(
        &order,
        async |store| store.recount(&order.task_id, task_ttl).await,
        |books, _| books.recount(&order),
    );
    world.count(format!("recount {answer:?}"), 1);
}

fn break_by_hand(world: &mut World, task_id: &TaskId) {
    let key = format!("task:{task_id}");
    let status = world.pick(TaskStatus::ALL.to_vec());
    let way = world.random.u8(..5);
    let task = task_of(world, task_id);
    match way {
        0 => {
            (task.state.completed, task.state.failed) = (7, 1);
            world.stranger(&["HSET", &key, "completed", "7", "failed", "1"]);
        }
        1 => {
            (task.state.status, task.state.finished_at_ms) = (status, Some(9));
            world.stranger(&["HSET", &key, "status", status.as_str(), "finished_at", "9"]);
        }
        2 => {
            world.books.by_status.insert((status, task_id.clone()), 3);
            world.stranger(&["ZADD", &format!("tasks:{status}"), "3", task_id.as_str()]);
        }
        3 => {
            let record = Record::decode("failed 1 0 9").unwrap();
            world.stranger(&["HSET", &format!("outcomes:{task_id}"), "0@7", &record.encode()]);
            task_of(world, task_id).state.records.insert((0, 7), record);
        }
        _ => {}
    }
}

fn task_of<'a>(world: &'a mut World, task_id: &TaskId) -> &'a mut TaskBook {
    world.books.tasks.get_mut(task_id).unwrap()
}
