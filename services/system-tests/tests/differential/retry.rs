//! `retry` against its law.

use crate::cancel::overtake;
use crate::history::check;
use crate::world::{Leased, World};
use redis_store::Stream;
use redis_store::retry::Retry;
use std::time::Duration;
use task_core::law::identity::identify;
use task_core::law::retry::FailedAttempt;
use task_core::law::{self, EntryId, StreamName};

#[test]
fn retry_keeps_to_its_law() {
    check(call, &["retry Scheduled", "retry Dropped", "retry Stale"]);
}

pub fn call(world: &mut World) {
    let leases = world.leases(|_| true);
    overtake(world, &leases);
    let items: Vec<FailedAttempt> = leases.into_iter().map(|leased| failed(world, leased)).collect();
    let order = law::retry::Retry { by: world.consumer(), items };
    let batch: Vec<Retry> = order.items.iter().map(asked).collect();
    for _ in 0..world.sendings() {
        let answers = world.call(
            &order,
            async |store| store.retry(&order.by, &batch).await,
            |books, moment| books.retry(moment, &order),
        );
        world.count_each("retry", &answers);
    }
}

fn failed(world: &mut World, mut leased: Leased) -> FailedAttempt {
    if world.random.u8(..8) == 0 {
        leased.entry_id = EntryId { ms: 5, sequence: 5 }; // never given out
    }
    let known = identify(&leased.fields).known().map(|it| it.task_id);
    let StreamName::Work(queue, _) = leased.stream.clone() else { unreachable!() };
    FailedAttempt {
        stream: leased.stream,
        queue,
        entry_id: leased.entry_id,
        task_id: known.unwrap_or_else(|| "nobody".parse().unwrap()),
        delay_ms: world.pick([0, 600_000]),
        reason: world.reason(),
    }
}

/// The same as the store takes it.
fn asked(item: &FailedAttempt) -> Retry {
    let StreamName::Work(queue, priority) = item.stream.clone() else { unreachable!() };
    Retry {
        stream: Stream { queue, priority },
        entry_id: item.entry_id.to_string(),
        task_id: item.task_id.clone(),
        delay: Duration::from_millis(item.delay_ms),
        reason: item.reason.clone(),
    }
}
