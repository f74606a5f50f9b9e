//! `settle` against its law.

use crate::cancel::overtake;
use crate::history::check;
use crate::world::{Leased, World};
use redis_store::Stream;
use redis_store::settle::{Settled, Settlement};
use std::time::Duration;
use task_core::law::{self, EntryId, StreamName};

#[test]
fn settle_keeps_to_its_law() {
    check(call, &["settle Recorded", "settle Dropped", "settle Stale", "settle a result that stands"]);
}

pub fn call(world: &mut World) {
    let by = world.consumer();
    let leases = world.leases(|leased| leased.fact("completed").is_some());
    overtake(world, &leases);
    let batch: Vec<(Settlement, law::settle::Settlement)> =
        leases.into_iter().map(|leased| settlement(world, leased)).collect();
    let (batch, items): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let order = law::settle::Settle { by, items };
    for _ in 0..world.sendings() {
        let standing = order.items.iter().filter(|item| world.books.results.contains_key(&item.subtask_id)).count();
        let answers = world.call(
            &order,
            async |store| store.settle(&order.by, &batch).await,
            |books, moment| books.settle(moment, &order),
        );
        for answer in answers {
            world.count(format!("settle {answer:?}"), 1);
            if answer == Settled::Recorded && standing > 0 {
                world.count("settle a result that stands", 1);
            }
        }
    }
}

fn settlement(world: &mut World, mut leased: Leased) -> (Settlement, law::settle::Settlement) {
    if world.random.u8(..8) == 0 {
        leased.entry_id = EntryId { ms: 5, sequence: 5 }; // never given out
    }
    let word = world.pick(["completed", "failed", "cancelled"]);
    let mut fact = leased.fact(word).unwrap();
    fact.reason = world.pick([None, Some("why".parse().unwrap())]);
    let result = world.pick([None, Some("{\"output\": \"ü\"}".to_owned()), Some("2".to_owned())]);
    let result_ttl = Duration::from_secs(world.pick([3_600, 86_400]));
    let subtask_id = fact.task_id.subtask(fact.index.unwrap()).unwrap();
    let StreamName::Work(queue, priority) = leased.stream.clone() else { unreachable!() };
    let settlement = Settlement {
        stream: Stream { queue, priority },
        entry_id: leased.entry_id.to_string(),
        subtask_id: subtask_id.clone(),
        fact: fact.clone(),
        result: result.clone(),
        result_ttl,
    };
    let lawful = law::settle::Settlement {
        stream: leased.stream,
        entry_id: leased.entry_id,
        subtask_id,
        fact,
        result,
        result_ttl_ms: result_ttl.as_millis() as u64,
    };
    (settlement, lawful)
}
