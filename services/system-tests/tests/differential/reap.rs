//! `reap` against its law.

use crate::history::check;
use crate::snapshot::queues;
use crate::strangers::{add, delete_entry};
use crate::workers::{AGE_MS, age, join};
use crate::world::World;
use proto_schemas::{ConsumerName, Priority, QueueName, limit};
use redis_store::Store;
use redis_store::reap::{ReapCursors, Reaped};
use std::cell::Cell;
use std::time::{Duration, Instant};
use task_core::law::{self, Books, EntryId, StreamName};

/// Entries of each stream that the store asks for in a round.
const COUNT: usize = 100;
/// How long one round bars the next.
const ROUND_MS: u64 = 900;

#[test]
fn reap_keeps_to_its_law() {
    check(call, &["reap returned", "reap buried", "reap malformed", "reap ghosts", "reap skipped"]);
}

#[test]
fn a_long_list_of_leases_is_reaped_in_rounds() {
    let mut world = World::start(1);
    world.begin_history();
    let (queue, consumer) = (QueueName::default_queue(), world.consumer());
    let name = StreamName::Work(queue.clone(), Priority::Low);
    for _ in 0..250 {
        add(&mut world, &name, vec![(b"a".to_vec(), b"b".to_vec())]);
    }
    let stream = redis_store::Stream { queue: queue.clone(), priority: Priority::Low };
    world.run(async |store| store.fetch(&consumer, &[stream], 250).await);
    let now_ms = world.now_ms();
    for entry_id in world.books.lease(&name, &consumer, 250, now_ms) {
        age(&mut world, &name, entry_id);
    }
    let (mut cursors, mut next) = (ReapCursors::default(), Default::default());
    let mut rounds = Vec::new();
    for _ in 0..4 {
        forget_maintenance(&mut world, &queue);
        rounds.push(round(&mut world, &queue, (&mut cursors, &mut next), Instant::now()).unwrap().malformed);
    }
    assert_eq!(rounds, [100, 100, 50, 0]);
}

pub fn call(world: &mut World) {
    let queue = world.pick(queues());
    age_some(world, &queue);
    forget_maintenance(world, &queue);
    let mark_ms = world.pick([None, None, None, Some(ROUND_MS), Some(600_000)]);
    let marked = Instant::now();
    if let Some(mark_ms) = mark_ms {
        let until_ms = world.now_ms() + mark_ms;
        world.stranger(&["SET", &format!("maintenance:{queue}"), "someone", "PX", &mark_ms.to_string()]);
        world.books.maintenance.insert(queue.clone(), ("someone".parse().unwrap(), until_ms));
    }
    let (mut cursors, mut next) = (ReapCursors::default(), Default::default());
    round(world, &queue, (&mut cursors, &mut next), marked);
    if world.random.bool() {
        round(world, &queue, (&mut cursors, &mut next), marked);
    }
    forget_maintenance(world, &queue);
}

/// Lets time pass for about half of the leases of a queue; someone deletes a few of their entries.
fn age_some(world: &mut World, queue: &QueueName) {
    for priority in Priority::ALL {
        let name = StreamName::Work(queue.clone(), *priority);
        let group = world.books.streams.get(&name).and_then(|stream| stream.group.as_ref());
        let ids: Vec<EntryId> = group.iter().flat_map(|group| group.pending.keys().copied()).collect();
        for entry_id in ids {
            if world.random.bool() {
                age(world, &name, entry_id);
            }
            if world.random.u8(..16) == 0 {
                delete_entry(world, &name, entry_id);
            }
        }
    }
}

fn forget_maintenance(world: &mut World, queue: &QueueName) {
    world.stranger(&["DEL", &format!("maintenance:{queue}")]);
    world.books.maintenance.remove(queue);
}

/// One round. A mark that was set at `marked` bars it for 900 ms; whether they had passed on a busy machine only the
/// script knows.
fn round(
    world: &mut World,
    queue: &QueueName,
    (cursors, next): (&mut ReapCursors, &mut [EntryId; Priority::ALL.len()]),
    marked: Instant,
) -> Option<Reaped> {
    let by: ConsumerName = "reaper".parse().unwrap();
    for priority in Priority::ALL {
        join(world, &StreamName::Work(queue.clone(), *priority), &by);
    }
    let lease = Duration::from_millis(AGE_MS / 2);
    let order = law::reap::Reap {
        by,
        queue: queue.clone(),
        lease_ms: lease.as_millis() as u64,
        count: COUNT,
        crashes_max: limit::CRASHES_MAX,
        cursors: *next,
    };
    let ran_late = Cell::new(false);
    let script = async |store: &Store| {
        let reaped = store.reap(&order.by, &order.queue, lease, cursors).await;
        ran_late.set(marked.elapsed() > Duration::from_millis(ROUND_MS / 2) && matches!(reaped, Ok(Some(_))));
        reaped
    };
    let law = |books: &mut Books, moment: &mut law::Moment| {
        let barred_ms = books.maintenance.get(queue).map_or(0, |(_, until_ms)| until_ms.saturating_sub(moment.now_ms));
        if ran_late.get() && barred_ms <= ROUND_MS {
            books.maintenance.remove(queue);
        }
        let law::reap::Reaped { returned, buried, malformed, ghosts, cursors } = books.reap(moment, &order)?;
        *next = cursors;
        Some(Reaped { returned, buried, malformed, ghosts })
    };
    let reaped = world.call(&order, script, law);
    assert_eq!(cursors.is_done(), *next == <[EntryId; 4]>::default());
    let counts = reaped.clone().unwrap_or_default();
    world.count("reap skipped", u64::from(reaped.is_none()));
    world.count("reap returned", counts.returned);
    world.count("reap buried", counts.buried);
    world.count("reap malformed", counts.malformed);
    world.count("reap ghosts", counts.ghosts);
    reaped
}
