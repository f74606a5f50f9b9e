//! `exorcise` against its law, in streams of which someone deleted what was held.

use crate::history::check;
use crate::strangers::delete_entry;
use crate::workers::read_log;
use crate::world::World;
use redis_store::Stream;
use task_core::law::{EntryId, StreamName};

#[test]
fn exorcise_keeps_to_its_law() {
    check(call, &["exorcise Exorcised", "exorcise Kept", "exorcise Gone", "exorcise in the log"]);
}

pub fn call(world: &mut World) {
    let name = if world.random.u8(..3) == 0 { StreamName::Events } else { world.work_stream() };
    if name == StreamName::Events {
        read_log(world);
    }
    let held = held(world, &name);
    if let Some(entry_id) = world.random.choice(held).filter(|_| world.random.bool()) {
        delete_entry(world, &name, entry_id);
    }
    let mut ids = held_and_others(world, &name);
    world.random.shuffle(&mut ids);
    ids.truncate(4);
    for entry_id in ids {
        for _ in 0..world.sendings() {
            send(world, &name, entry_id);
        }
    }
}

fn send(world: &mut World, name: &StreamName, entry_id: EntryId) {
    let order = format!("exorcise {entry_id} of {name}");
    let own = entry_id.to_string();
    let answer = world.call(
        &order,
        async |store| match name.clone() {
            StreamName::Work(queue, priority) => store.exorcise(&Stream { queue, priority }, &own).await,
            StreamName::Events | StreamName::DeadLetters => store.exorcise_event(&own).await,
        },
        |books, _| books.exorcise(name, entry_id),
    );
    world.count(format!("exorcise {answer:?}"), 1);
    let is_done = answer == redis_store::exorcise::Exorcised::Exorcised;
    world.count("exorcise in the log", u64::from(is_done && *name == StreamName::Events));
}

fn held(world: &World, name: &StreamName) -> Vec<EntryId> {
    let group = world.books.streams.get(name).and_then(|stream| stream.group.as_ref());
    group.into_iter().flat_map(|group| group.pending.keys().copied()).collect()
}

/// Ghosts first of all, then what is held and exists, what nobody holds, and what never was.
fn held_and_others(world: &mut World, name: &StreamName) -> Vec<EntryId> {
    let held = held(world, name);
    let ghosts: Vec<EntryId> = held.iter().filter(|id| world.books.entry(name, **id).is_none()).copied().collect();
    let last = world.books.streams.get(name).and_then(|stream| stream.entries.keys().next_back().copied());
    let others = [world.random.choice(held), last, Some(EntryId { ms: 5, sequence: 5 })];
    ghosts.into_iter().take(2).chain(others.into_iter().flatten()).collect()
}
