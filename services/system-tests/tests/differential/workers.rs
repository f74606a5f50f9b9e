//! What workers and the projector do without a script: joining, reading, renewing, beating; and time passing.

use crate::snapshot::{consumers, queues, work_streams};
use crate::world::{Leased, World};
use proto_schemas::{ConsumerName, QueueName};
use redis_store::Stream;
use redis_store::heartbeat::Heartbeat;
use std::time::Duration;
use task_core::law::identity::read_lines;
use task_core::law::{EntryId, StreamName};

/// How long ago an aged lease was taken: longer than any lease of the tests.
pub const AGE_MS: u64 = 3_600_000;

/// A worker appears and reads the groups of a queue from then on.
pub fn create_groups(world: &mut World, queue: &QueueName) {
    world.run(async |store| store.create_worker_groups(queue).await);
    for stream in Stream::of(queue) {
        world.books.create_group(&StreamName::Work(stream.queue, stream.priority));
    }
}

/// Joins a group, so that the books know the consumer whatever the version of the server.
pub fn join(world: &mut World, name: &StreamName, consumer: &ConsumerName) -> bool {
    let Some(group) = world.books.streams.get_mut(name).and_then(|stream| stream.group.as_mut()) else { return false };
    group.consumers.insert(consumer.clone());
    world.stranger(&["XGROUP", "CREATECONSUMER", &name.to_string(), "workers", consumer.as_str()]);
    true
}

/// A worker reads a stream, or renews what it holds.
pub fn fetch(world: &mut World) {
    let unread = |name: &StreamName| {
        let Some(stream) = world.books.streams.get(name) else { return false };
        stream.group.as_ref().is_none_or(|group| stream.last_id > group.delivered_id)
    };
    let unread: Vec<StreamName> = work_streams().into_iter().filter(unread).collect();
    let name = if unread.is_empty() { world.work_stream() } else { world.pick(unread) };
    let consumer = world.consumer();
    if !join(world, &name, &consumer) {
        return create_groups(world, &queues()[1]);
    }
    let StreamName::Work(queue, priority) = name.clone() else { unreachable!() };
    let (stream, count, now_ms) = (Stream { queue, priority }, world.random.usize(1..10), world.now_ms());
    let fetched = world.run(async |store| store.fetch(&consumer, std::slice::from_ref(&stream), count).await);
    let ids = world.books.lease(&name, &consumer, count, now_ms);
    assert_eq!(fetched.iter().map(|entry| entry.entry_id.clone()).collect::<Vec<_>>(), texts(&ids));
    for entry_id in ids {
        let fields = world.books.entry(&name, entry_id).unwrap().clone();
        world.leased.push(Leased { stream: name.clone(), entry_id, fields });
    }
    let held = held_by(world, &name, &consumer);
    if world.random.bool() {
        renew(world, &stream, &name, (&consumer, &held));
    } else if !held.is_empty() && world.random.bool() {
        let entry_id = world.pick(held);
        age(world, &name, entry_id);
    }
}

fn texts(ids: &[EntryId]) -> Vec<String> {
    ids.iter().map(EntryId::to_string).collect()
}

fn held_by(world: &World, name: &StreamName, consumer: &ConsumerName) -> Vec<EntryId> {
    let pending = world.books.streams[name].group.iter().flat_map(|group| &group.pending);
    pending.filter(|(_, lease)| lease.consumer == *consumer).map(|(id, _)| *id).collect()
}

/// The owner renews; an id that is gone does not come back, and neither does one whose entry was deleted.
fn renew(world: &mut World, stream: &Stream, name: &StreamName, owned: (&ConsumerName, &[EntryId])) {
    let (consumer, held) = owned;
    let alive: Vec<EntryId> = held.iter().copied().filter(|id| world.books.entry(name, *id).is_some()).collect();
    let asked = [texts(&alive), vec!["5-5".to_owned()]].concat();
    let now_ms = world.now_ms();
    let kept = world.run(async |store| store.renew(consumer, stream, &asked).await);
    let lawful = world.books.streams.get_mut(name).unwrap().renew(consumer, &alive, now_ms);
    assert_eq!(kept, texts(&lawful).into_iter().collect());
}

/// Time passes for one lease.
pub fn age(world: &mut World, name: &StreamName, entry_id: EntryId) {
    if world.books.entry(name, entry_id).is_none() {
        return; // the server forgets a lease on a deleted entry when it is claimed
    }
    let since_ms = world.now_ms() - AGE_MS;
    let lease = world.books.streams.get_mut(name).and_then(|stream| stream.group.as_mut()?.pending.get_mut(&entry_id));
    let Some(lease) = lease else { return };
    lease.since_ms = since_ms;
    let (key, owner) = (name.to_string(), lease.consumer.clone());
    let (id, since_ms) = (entry_id.to_string(), since_ms.to_string());
    world.stranger(&["XCLAIM", &key, "workers", owner.as_str(), "0", &id, "TIME", &since_ms, "JUSTID"]);
}

/// A worker says that it lives, or leaves.
pub fn beat(world: &mut World) {
    let (consumer, at_ms) = (world.consumer(), world.now_ms());
    if world.random.bool() {
        world.run(async |store| store.leave(&consumer).await);
        world.books.heartbeats.remove(&consumer);
        return;
    }
    let text = String::new();
    let beat = Heartbeat {
        worker_id: text.clone(),
        host: text.clone(),
        pid: 1,
        kinds: text,
        slots: 1,
        running: 0,
        is_draining: false,
        at_ms,
    };
    world.run(async |store| store.beat(&consumer, &beat).await);
    let is_cut_off = world.random.u8(..4) == 0;
    if is_cut_off {
        world.stranger(&["PERSIST", &format!("worker:{consumer}")]); // as if it had died before it said for how long
    }
    world.books.heartbeats.insert(consumer.clone(), !is_cut_off);
    world.books.workers.insert(consumer, at_ms);
}

/// The projector reads the log; what it was given it may fold at any time, also after others have.
pub fn read_log(world: &mut World) {
    let consumer = consumers().pop_first().unwrap();
    let (count, now_ms) = (world.random.usize(1..10), world.now_ms());
    world.stranger(&["XGROUP", "CREATECONSUMER", "events", "projector", consumer.as_str()]);
    let log = world.books.streams.get_mut(&StreamName::Events).unwrap();
    log.group.as_mut().unwrap().consumers.insert(consumer.clone());
    let ids = log.lease(&consumer, count, now_ms);
    if ids.is_empty() {
        return; // reading would block
    }
    let read = world.run(async |store| store.read_events(&consumer, count, Duration::from_millis(1)).await);
    assert_eq!(read.iter().map(|entry| entry.entry_id.clone()).collect::<Vec<_>>(), texts(&ids));
    for (entry, id) in read.iter().zip(&ids) {
        assert_eq!(entry.lines, read_lines(world.books.entry(&StreamName::Events, *id).unwrap()));
    }
    world.read.extend(read);
}
