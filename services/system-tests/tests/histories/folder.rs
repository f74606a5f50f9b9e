//! Projectors: they read the log, and fold what they read now, later, twice, or not before they die.

use crate::world::{TASK_TTL, World};
use proto_schemas::ConsumerName;
use redis_store::events::EventEntry;
use redis_store::fold::{FoldCounts, Folded};
use std::time::Duration;

/// A read waits no longer than it must.
const BLOCK: Duration = Duration::from_millis(1);
/// Entries of one fold.
const ENTRIES: usize = 4;

pub struct Folder {
    pub name: ConsumerName,
    held: Vec<EventEntry>,
    /// Entries that it has folded and believes it has not.
    late: Vec<EventEntry>,
}

impl Folder {
    pub fn start(world: &mut World) -> Self {
        Self { name: world.name("p"), held: Vec::new(), late: Vec::new() }
    }

    /// Reads what nobody has read.
    pub async fn read(&mut self, world: &mut World, count: usize) -> bool {
        let found = world.reader.read_events(&self.name, count, BLOCK).await.unwrap();
        world.trace.say(format!("{} reads {:?}", self.name, ids(&found)));
        let is_any = !found.is_empty();
        self.held.extend(found);
        is_any
    }

    /// Takes over what others left, or still hold.
    pub async fn claim(&mut self, world: &mut World, count: usize) -> bool {
        let (_, found) = world.store.claim_events(&self.name, Duration::ZERO, "0-0", count).await.unwrap();
        world.trace.say(format!("{} claims {:?}", self.name, ids(&found)));
        world.tally.note_many("facts claimed", found.len() as u64);
        let is_any = !found.is_empty();
        self.held.extend(found);
        is_any
    }

    /// Folds some of what it holds, in any order; sometimes without noticing that it did.
    pub async fn fold(&mut self, world: &mut World) {
        let entries = world.take_some(&mut self.held, ENTRIES);
        if entries.is_empty() {
            return self.fold_late(world).await;
        }
        let is_seen = self.send(world, &entries).await;
        if !is_seen {
            self.held.extend(entries);
        } else if world.once_in(6) {
            self.late.extend(entries);
        }
    }

    /// Folds all that it holds.
    pub async fn fold_all(&mut self, world: &mut World) {
        while !self.held.is_empty() {
            self.fold(world).await;
        }
    }

    /// Folds what it had folded long ago.
    pub async fn fold_late(&mut self, world: &mut World) {
        let entries = world.take_some(&mut self.late, ENTRIES);
        if !entries.is_empty() {
            world.tally.note("folded late");
            self.send(world, &entries).await;
        }
    }

    /// Dies between reading and folding.
    pub fn die(&mut self, world: &mut World) -> ConsumerName {
        world.tally.note_many("projector died", u64::from(!self.held.is_empty()));
        world.trace.say(format!("{} dies with {:?}", self.name, ids(&self.held)));
        std::mem::replace(self, Self::start(world)).name
    }

    async fn send(&self, world: &mut World, entries: &[EventEntry]) -> bool {
        let (name, what) = (&self.name, format!("{} folds {:?}", self.name, ids(entries)));
        let sent = world.send("fold", &what, async |store| store.fold(name, TASK_TTL, entries).await).await;
        for Folded { counts: FoldCounts { counted, progressed, duplicate, ignored }, .. } in &sent.answers {
            world.tally.note_many("fold counted", *counted);
            world.tally.note_many("fold progressed", *progressed);
            world.tally.note_many("fold duplicate", *duplicate);
            world.tally.note_many("fold ignored", *ignored);
        }
        sent.seen.is_some()
    }
}

fn ids(entries: &[EventEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.entry_id.as_str()).collect()
}
