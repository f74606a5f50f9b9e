//! `reap` against its law.

use crate::history::check;
use crate::promote::far;
use crate::snapshot::queues;
use crate::strangers::{add, delete_entry};
use crate::workers::{AGE_MS, age, fetch, join};
use crate::world::World;
use proto_schemas::{ConsumerName, Priority, QueueName, limit};
use redis_store::Store;
use redis_store::reap::{Asked, ReapCursors, Reaped, Round, Rule};
use std::cell::Cell;
use std::time::{Duration, Instant};
use task_core::law::identity::identify;
use task_core::law::reap::Patience;
use task_core::law::{self, Books, EntryId, StreamName};

/// Entries of each stream that the store asks for in a round.
const COUNT: usize = 100;
const PATIENCE: Patience = Patience {
    crashes_max: limit::CRASHES_MAX,
    crashes_cap: limit::CRASHES_CAP,
    alone_deliveries: limit::ALONE_DELIVERIES,
};
/// How long one round bars the next.
const ROUND_MS: u64 = 450;

#[test]
fn reap_keeps_to_its_law() {
    check(
        call,
        &[
            "reap returned",
            "reap buried",
            "reap malformed",
            "reap ghosts",
            "reap skipped",
            "reap late",
            "reap what ran alone",
            "reap what did not run alone",
            "reap at the cap",
        ],
    );
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
        rounds.push(round(&mut world, &queue, (&mut cursors, &mut next), (Instant::now(), None)).unwrap().malformed);
    }
    assert_eq!(rounds, [100, 100, 50, 0]);
}

#[test]
fn one_round_looks_past_what_thousands_of_living_leases_hold() {
    let mut world = World::start(1);
    world.begin_history();
    let (queue, consumer) = (QueueName::default_queue(), world.consumer());
    let name = StreamName::Work(queue.clone(), Priority::Low);
    for _ in 0..2_200 {
        add(&mut world, &name, vec![(b"a".to_vec(), b"b".to_vec())]);
    }
    let stream = redis_store::Stream { queue: queue.clone(), priority: Priority::Low };
    world.run(async |store| store.fetch(&consumer, &[stream], 2_200).await);
    let now_ms = world.now_ms();
    let ids = world.books.lease(&name, &consumer, 2_200, now_ms);
    age(&mut world, &name, ids[2_150]);
    delete_entry(&mut world, &name, ids[50]);
    delete_entry(&mut world, &name, ids[1_500]);
    forget_maintenance(&mut world, &queue);
    let (mut cursors, mut next) = (ReapCursors::default(), Default::default());
    let reaped = round(&mut world, &queue, (&mut cursors, &mut next), (Instant::now(), None)).unwrap();
    assert_eq!((reaped.malformed, reaped.ghosts, cursors.is_done()), (1, 2, true));
}

pub fn call(world: &mut World) {
    let queue = world.pick(queues());
    crash_before(world, &queue);
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
    let now_ms = world.now_ms();
    let not_after_ms = world.pick([None, None, None, Some(now_ms + 600_000), Some(now_ms - 1)]);
    round(world, &queue, (&mut cursors, &mut next), (marked, not_after_ms));
    if world.random.bool() {
        round(world, &queue, (&mut cursors, &mut next), (marked, None));
    }
    forget_maintenance(world, &queue);
}

/// Someone adds an entry that has crashed before, and a worker reads it.
fn crash_before(world: &mut World, queue: &QueueName) {
    let name = StreamName::Work(queue.clone(), world.pick(Priority::ALL.to_vec()));
    let crashes = (limit::CRASHES_MAX - 1).to_string();
    let crashes = world.pick([crashes, (limit::CRASHES_CAP - 1).to_string()]);
    let fields = [("task_id", "t1"), ("subtask_id", "t1-0"), ("description", "d"), ("crashes", crashes.as_str())];
    add(world, &name, fields.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).into());
    fetch(world);
}

/// Lets time pass for about half of the leases of a queue; someone deletes a few of their entries.
fn age_some(world: &mut World, queue: &QueueName) {
    for priority in Priority::ALL {
        let name = StreamName::Work(queue.clone(), *priority);
        let group = world.books.streams.get(&name).and_then(|stream| stream.group.as_ref());
        let ids: Vec<EntryId> = group.iter().flat_map(|group| group.pending.keys().copied()).collect();
        for entry_id in ids {
            if world.random.u8(..4) == 0 {
                mark_alone(world, &name, entry_id);
            }
            if world.random.bool() {
                age(world, &name, entry_id);
                judge(world, &name, entry_id);
            }
            if world.random.u8(..16) == 0 {
                delete_entry(world, &name, entry_id);
            }
        }
    }
}

/// The owner of a lease says that it will run alone.
fn mark_alone(world: &mut World, name: &StreamName, entry_id: EntryId) {
    let StreamName::Work(queue, priority) = name.clone() else { unreachable!() };
    if world.books.entry(name, entry_id).is_none() {
        return; // the server forgets a lease on a deleted entry when it is claimed
    }
    let lease = |world: &World| world.books.streams[name].group.as_ref().unwrap().pending[&entry_id].clone();
    let (owner, now_ms) = (lease(world).consumer, world.now_ms());
    let (stream, id) = (redis_store::Stream { queue, priority }, entry_id.to_string());
    assert!(world.run(async |store| store.mark_alone(&owner, &stream, &id).await));
    assert!(world.books.streams.get_mut(name).unwrap().mark_alone(&owner, entry_id, now_ms, limit::ALONE_DELIVERIES));
}

/// Counts what the next round will have to judge.
fn judge(world: &mut World, name: &StreamName, entry_id: EntryId) {
    let known = world.books.entry(name, entry_id).and_then(|fields| identify(fields).known());
    let Some(crashes) = known.map(|it| it.crashes + 1).filter(|crashes| *crashes >= limit::CRASHES_MAX) else { return };
    let deliveries = world.books.streams[name].group.as_ref().unwrap().pending[&entry_id].deliveries;
    let what = match deliveries >= limit::ALONE_DELIVERIES {
        true => "reap what ran alone",
        false if crashes >= limit::CRASHES_CAP => "reap at the cap",
        false => "reap what did not run alone",
    };
    world.count(what, 1);
}

fn forget_maintenance(world: &mut World, queue: &QueueName) {
    world.stranger(&["DEL", &format!("maintenance:{queue}")]);
    world.books.maintenance.remove(queue);
}

/// One round. A mark that was set at `marked` bars it for 450 ms; whether they had passed on a busy machine only the
/// script knows.
fn round(
    world: &mut World,
    queue: &QueueName,
    (cursors, next): (&mut ReapCursors, &mut [EntryId; Priority::ALL.len()]),
    (marked, not_after_ms): (Instant, Option<u64>),
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
        not_after_ms,
        count: COUNT,
        patience: PATIENCE,
        cursors: *next,
    };
    let ran_late = Cell::new(false);
    let rule = Rule { lease, not_after_ms };
    let script = async |store: &Store| {
        let asked = store.ask_round(&order.by, &order.queue, rule, cursors).await;
        ran_late.set(marked.elapsed() > Duration::from_millis(ROUND_MS / 2) && matches!(asked, Ok(Asked::Ran(_))));
        asked.map(coarse)
    };
    let law = |books: &mut Books, moment: &mut law::Moment| {
        let barred_ms = books.maintenance.get(queue).map_or(0, |(_, until_ms)| until_ms.saturating_sub(moment.now_ms));
        if ran_late.get() && barred_ms <= ROUND_MS {
            books.maintenance.remove(queue);
        }
        match books.reap(moment, &order) {
            law::reap::Asked::Ran(reaped) => {
                *next = reaped.cursors;
                let law::reap::Reaped { returned, buried, malformed, ghosts, next_due_ms, .. } = reaped;
                let (reaped, next_due) =
                    (Reaped { returned, buried, malformed, ghosts }, next_due_ms.map(Duration::from_millis));
                coarse(Asked::Ran(Round { reaped, next_due }))
            }
            law::reap::Asked::Skipped => Asked::Skipped,
            law::reap::Asked::Late => Asked::Late,
        }
    };
    let asked = world.call(&order, script, law);
    assert_eq!(cursors.is_done(), *next == <[EntryId; 4]>::default());
    let reaped = match asked {
        Asked::Ran(Round { reaped, .. }) => Some(reaped),
        Asked::Skipped | Asked::Late => None,
    };
    let counts = reaped.unwrap_or_default();
    world.count("reap skipped", u64::from(asked == Asked::Skipped));
    world.count("reap late", u64::from(asked == Asked::Late));
    world.count("reap returned", counts.returned);
    world.count("reap buried", counts.buried);
    world.count("reap malformed", counts.malformed);
    world.count("reap ghosts", counts.ghosts);
    reaped
}

/// Without the distance to what is due next, which only the clock of the call knows.
fn coarse(asked: Asked) -> Asked {
    match asked {
        Asked::Ran(Round { reaped, next_due }) => Asked::Ran(Round { reaped, next_due: next_due.map(far) }),
        other => other,
    }
}
