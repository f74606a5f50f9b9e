//! `cancel` against its law.

use crate::fold::end_of;
use crate::history::check;
use crate::world::{Leased, World};
use proto_schemas::{TaskId, limit};
use redis_store::cancel::{CancelOrder, Cancelled};
use std::time::Duration;
use task_core::law::cancel::{Cancel, Cancelled as Lawful};

#[test]
fn cancel_keeps_to_its_law() {
    check(
        call,
        &[
            "cancel Cancelled",
            "cancel Already",
            "cancel Early",
            "cancel Changed",
            "cancel Gone",
            "cancel past its deadline",
        ],
    );
}

/// Sometimes the task of one of the leases is cancelled before they are acted on.
pub fn overtake(world: &mut World, leases: &[Leased]) {
    let facts = leases.iter().filter_map(|leased| leased.fact("completed"));
    let tasks: Vec<TaskId> = facts.map(|fact| fact.task_id).collect();
    if let Some(task_id) = world.random.choice(tasks).filter(|_| world.random.u8(..6) == 0) {
        cancel(world, task_id);
    }
}

pub fn call(world: &mut World) {
    let task_id = world.task_id();
    cancel(world, task_id);
}

fn cancel(world: &mut World, task_id: TaskId) {
    let by = world.consumer();
    let (only_past, reason) = (world.random.u8(..3) == 0, world.random.bool().then(|| world.reason()));
    if world.books.lifetimes.contains_key(&task_id) && world.random.u8(..4) == 0 {
        let ends_at_ms = world.now_ms() - 1;
        world.stranger(&["ZADD", "lifetimes", &ends_at_ms.to_string(), task_id.as_str()]);
        world.books.lifetimes.insert(task_id.clone(), ends_at_ms);
    }
    let task_ttl = Duration::from_secs(world.pick([60, 604_800]));
    let known = world.books.tasks.get(&task_id).map_or(0, |task| task.revision);
    let if_revision = world.pick([None, None, Some(known), Some(known + 1)]);
    let order = CancelOrder { reason: reason.clone(), task_ttl, only_past, if_revision };
    let (task_ttl_ms, hint_ms) = (task_ttl.as_millis() as u64, limit::CANCEL_HINT_MS);
    let lawful = Cancel { by, task_id, reason, task_ttl_ms, hint_ms, only_past, if_revision };
    for _ in 0..world.sendings() {
        let answer = world.call(
            &lawful,
            async |store| store.cancel(&lawful.by, &lawful.task_id, &order).await,
            |books, moment| match books.cancel(moment, &lawful) {
                Lawful::Cancelled(subtasks) => Cancelled::Cancelled(subtasks, end_of(&books.tasks[&lawful.task_id])),
                Lawful::Already(status) => Cancelled::Already(status),
                Lawful::Early => Cancelled::Early,
                Lawful::Changed => Cancelled::Changed,
                Lawful::Gone => Cancelled::Gone,
            },
        );
        let word = format!("cancel {answer:?}").split('(').next().unwrap().to_owned();
        world.count("cancel past its deadline", u64::from(only_past && word == "cancel Cancelled"));
        world.count(word, 1);
    }
}
