//! `fold` against its law.

use crate::history::check;
use crate::workers::read_log;
use crate::world::World;
use redis_store::events::EventEntry;
use redis_store::fold::FoldCounts;
use std::time::Duration;
use task_core::law::fold::{Fold, LogEntry};

#[test]
fn fold_keeps_to_its_law() {
    check(
        call,
        &["fold counted", "fold progressed", "fold duplicate", "fold ignored", "fold again", "fold ended a task"],
    );
}

pub fn call(world: &mut World) {
    read_log(world);
    if world.read.is_empty() {
        return;
    }
    // New and old entries, in any order, some of them twice.
    let newest = world.read.len().saturating_sub(world.random.usize(..4));
    let mut entries: Vec<EventEntry> = world.read[newest..].to_vec();
    entries.extend((0..world.random.usize(1..5)).map(|_| world.pick(world.read.clone())));
    world.random.shuffle(&mut entries);
    let task_ttl = Duration::from_secs(world.pick([60, 604_800]));
    let acknowledge = world.random.u8(..4) > 0;
    let order = Fold {
        by: world.consumer(),
        task_ttl_ms: task_ttl.as_millis() as u64,
        acknowledge,
        entries: entries
            .iter()
            .map(|entry| LogEntry { entry_id: entry.entry_id.parse().unwrap(), lines: entry.lines.clone() })
            .collect(),
    };
    let ended =
        |world: &World| world.books.tasks.values().filter(|task| task.state.status.is_terminal()).count() as u64;
    for _ in 0..world.sendings() {
        let ended_before = ended(world);
        let counts = world.call(
            &order,
            async |store| match acknowledge {
                true => store.fold(&order.by, task_ttl, &entries).await,
                false => store.fold_again(&order.by, task_ttl, &entries).await,
            },
            |books, moment| {
                let law = books.fold(moment, &order);
                FoldCounts {
                    counted: law.counted,
                    progressed: law.progressed,
                    duplicate: law.duplicate,
                    ignored: law.ignored,
                }
            },
        );
        world.count("fold counted", counts.counted);
        world.count("fold progressed", counts.progressed);
        world.count("fold duplicate", counts.duplicate);
        world.count("fold ignored", counts.ignored);
        world.count("fold again", u64::from(!acknowledge));
        world.count("fold ended a task", ended(world) - ended_before);
    }
}
