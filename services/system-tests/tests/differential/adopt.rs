//! `adopt` against its law, in streams whose readers someone removed.

use crate::history::check;
use crate::strangers::add;
use crate::world::World;
use redis_store::Stream;
use redis_store::adopt::Adopted;
use task_core::law::adopt::Adopt;
use task_core::law::identity::{Identity, identify};
use task_core::law::{EntryId, StreamName};

#[test]
fn adopt_keeps_to_its_law() {
    check(
        call,
        &[
            "adopt Adopted",
            "adopt Gone",
            "adopt Kept",
            "adopt Kept for its fields",
            "adopt of garbage",
            "adopt of a newer entry",
        ],
    );
}

pub fn call(world: &mut World) {
    let name = world.work_stream();
    match world.random.u8(..4) {
        0 => remove_reader_by_hand(world, &name),
        1 => skip_by_hand(world, &name),
        _ => {}
    }
    let mut ids = world.entry_ids(&name);
    ids.extend(orphans(world, &name));
    world.random.shuffle(&mut ids);
    ids.truncate(4);
    for entry_id in ids {
        send(world, &name, entry_id);
    }
}

fn send(world: &mut World, name: &StreamName, entry_id: EntryId) {
    let StreamName::Work(queue, priority) = name.clone() else { unreachable!() };
    let stream = Stream { queue: queue.clone(), priority };
    let order = Adopt { by: world.consumer(), queue, priority, entry_id };
    let is_orphan = orphans(world, name).contains(&entry_id);
    let identity = world.books.entry(name, entry_id).map(identify);
    for _ in 0..world.sendings() {
        let before = world.books.clone();
        let answer = world.call(
            &order,
            async |store| store.adopt(&order.by, &stream, &order.entry_id.to_string()).await,
            |books, moment| books.adopt(moment, &order),
        );
        world.count(format!("adopt {answer:?}"), 1);
        world.count("adopt Kept for its fields", u64::from(is_orphan && answer == Adopted::Kept));
        if answer == Adopted::Adopted {
            assert!(is_orphan, "{order:?}: somebody would have read it");
            world.count("adopt of garbage", u64::from(identity == Some(Identity::Malformed)));
            world.count("adopt of a newer entry", u64::from(identity == Some(Identity::Newer)));
        } else {
            assert_eq!(world.books, before, "{order:?}");
        }
    }
}

/// Someone removes a consumer with all that it holds.
fn remove_reader_by_hand(world: &mut World, name: &StreamName) {
    let Some(group) = world.books.streams.get_mut(name).and_then(|stream| stream.group.as_mut()) else { return };
    let Some(reader) = group.pending.values().next().map(|lease| lease.consumer.clone()) else { return };
    group.consumers.remove(&reader);
    group.pending.retain(|_, lease| lease.consumer != reader);
    world.stranger(&["XGROUP", "DELCONSUMER", &name.to_string(), "workers", reader.as_str()]);
}

/// Someone adds an entry and moves the group past all that was not delivered.
fn skip_by_hand(world: &mut World, name: &StreamName) {
    if world.books.streams.get(name).is_none_or(|stream| stream.group.is_none()) {
        return;
    }
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let base = vec![field("task_id", "t1"), field("subtask_id", "t1-0"), field("description", "d")];
    let odd = world.pick([field("v", "1"), field("v", "2"), field("v", "x")]);
    let many = world.pick([0, 0, 252, 253]);
    let last_id = add(world, name, [base, vec![odd], vec![field("x", "y"); many]].concat());
    world.stranger(&["XGROUP", "SETID", &name.to_string(), "workers", &last_id.to_string()]);
    let group = world.books.streams.get_mut(name).and_then(|stream| stream.group.as_mut());
    group.unwrap().delivered_id = last_id;
}

/// Entries that were delivered and are not pending.
fn orphans(world: &World, name: &StreamName) -> Vec<EntryId> {
    let Some(stream) = world.books.streams.get(name) else { return Vec::new() };
    let Some(group) = &stream.group else { return Vec::new() };
    let delivered = stream.entries.keys().filter(|id| **id <= group.delivered_id);
    delivered.filter(|id| !group.pending.contains_key(id)).copied().collect()
}
