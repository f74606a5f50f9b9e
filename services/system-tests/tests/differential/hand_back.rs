//! `hand_back` against its law.

use crate::cancel;
use crate::history::check;
use crate::snapshot::queues;
use crate::world::World;
use redis_store::Stream;
use redis_store::hand_back::Unfinished;
use std::time::Duration;
use task_core::law::body::{pack, unpack};
use task_core::law::hand_back::HandBack;
use task_core::law::identity::identify;
use task_core::law::{self, EntryId, StreamName};

#[test]
fn hand_back_keeps_to_its_law() {
    check(
        call,
        &["hand_back Returned", "hand_back Parked", "hand_back Dropped", "hand_back Stale", "hand_back of a leftover"],
    );
}

pub fn call(world: &mut World) {
    let (by, name) = (world.consumer(), world.work_stream());
    let entry_ids = world.entry_ids(&name);
    let (pause, mut leftovers) = (Duration::from_millis(world.pick([0, 1, 600_000])), 0);
    for &entry_id in entry_ids.iter().filter(|_| !pause.is_zero()) {
        leftovers += u64::from(world.random.u8(..4) == 0 && overtake(world, &name, entry_id));
    }
    world.count("hand_back of a leftover", leftovers);
    let held = world.leases(|leased| leased.stream == name);
    cancel::overtake(world, &held);
    let whose = |entry_id| identify(world.books.entry(&name, entry_id)?).known().map(|it| it.task_id);
    let of = |entry_id| law::hand_back::Unfinished { entry_id, task_id: whose(entry_id) };
    let entries: Vec<_> = entry_ids.into_iter().map(of).collect();
    let StreamName::Work(queue, priority) = name else { unreachable!() };
    let asked: Vec<Unfinished> = entries.iter().map(asked).collect();
    let order = HandBack { by, queue: queue.clone(), priority, park_ms: pause.as_millis() as u64, entries };
    let stream = Stream { queue, priority };
    for _ in 0..world.sendings() {
        let answers = world.call(
            &order,
            async |store| store.park(&order.by, &stream, &asked, pause).await,
            |books, moment| books.hand_back(moment, &order),
        );
        world.count_each("hand_back", &answers);
    }
}

/// The same as the store takes it.
fn asked(item: &law::hand_back::Unfinished) -> Unfinished {
    Unfinished { entry_id: item.entry_id.to_string(), task_id: item.task_id.clone() }
}

/// A later generation of what a pending entry is about waits in `delayed`; whether there is such an entry.
fn overtake(world: &mut World, stream: &StreamName, entry_id: EntryId) -> bool {
    let Some(fields) = world.books.entry(stream, entry_id).cloned() else { return false };
    let Some(it) = identify(&fields).known() else { return false };
    let (member, generation) = (it.subtask_id.to_string(), (it.generation + 1).to_string());
    let later = [fields, vec![(b"generation".to_vec(), generation.into_bytes())]].concat();
    let body = pack(&queues()[0], &later);
    if unpack(&body).is_none_or(|(_, fields, _)| identify(&fields).known().is_none()) {
        return false;
    }
    world.stranger(&[b"HSET", &b"delayed:body"[..], member.as_bytes(), &body]);
    world.books.bodies.insert(member.clone(), body);
    let due_ms = world.now_ms() + 600_000;
    world.stranger(&["ZADD", "delayed", &due_ms.to_string(), &member]);
    world.books.delayed.insert(member, due_ms);
    true
}
