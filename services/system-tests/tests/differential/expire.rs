//! `expire` against its law.

use crate::history::check;
use crate::world::World;
use proto_schemas::{QueueName, TaskId};

#[test]
fn expire_keeps_to_its_law() {
    check(call, &["expire Removed", "expire Open", "expire Early"]);
}

pub fn call(world: &mut World) {
    let known: Vec<TaskId> = world.books.lifetimes.keys().cloned().collect();
    let task_id = world.random.choice(known).filter(|_| world.random.u8(..8) > 0);
    let task_id = task_id.unwrap_or_else(|| "nobody".parse().unwrap());
    if world.books.tasks.contains_key(&task_id) && world.random.u8(..4) == 0 {
        lose_hash(world, &task_id);
    }
    if world.random.u8(..4) == 0 {
        world.stranger(&["HSET", &format!("plan:{task_id}"), "queues", "default"]);
        world.books.plans.entry(task_id.clone()).or_default().queues = [QueueName::default_queue()].into();
    }
    if world.books.lifetimes.contains_key(&task_id) {
        let now_ms = world.now_ms();
        let ends_at_ms = world.pick([now_ms - 1, now_ms + 600_000]);
        world.stranger(&["ZADD", "lifetimes", &ends_at_ms.to_string(), task_id.as_str()]);
        world.books.lifetimes.insert(task_id.clone(), ends_at_ms);
    }
    for _ in 0..world.sendings() {
        let answer = world.call(
            &task_id,
            async |store| store.expire(&task_id).await,
            |books, moment| books.expire(moment, &task_id),
        );
        world.count(format!("expire {answer:?}"), 1);
    }
}

/// Someone deletes what people read of a task; its places in the indexes stay behind.
fn lose_hash(world: &mut World, task_id: &TaskId) {
    world.stranger(&["DEL", &format!("task:{task_id}"), &format!("outcomes:{task_id}")]);
    world.books.tasks.remove(task_id);
}
