//! Workers: each acts on what it believes to hold. One that crashed forgets; one that only seems dead acts on.

use crate::stranger::NOBODY;
use crate::world::{World, streams};
use proto_schemas::{ConsumerName, Fact, FactKind, OnFailure, WorkEntry, limit};
use redis_store::Stream;
use redis_store::fetch::Fetched;
use std::collections::HashSet;
use std::time::Duration;

/// How long what is parked waits, unless time passes.
const PARKED: Duration = Duration::from_secs(3_600);
pub struct Worker {
    pub name: ConsumerName,
    /// What it believes to hold.
    pub held: Vec<Fetched>,
    /// Whether the others think it is dead.
    is_zombie: bool,
    /// Whether an answer to a fetch got lost.
    has_missed: bool,
    /// Entries whose end it has told: it does not begin them again.
    pub told: HashSet<String>,
}

impl Worker {
    /// A new process.
    pub fn start(world: &mut World) -> Self {
        let (held, told) = (Vec::new(), HashSet::new());
        Self { name: world.name("w"), held, is_zombie: false, has_missed: false, told }
    }

    /// Dies, sometimes in the middle of a call, and comes back under a new name; the old one is what a zombie believes
    /// it still is.
    pub async fn crash(&mut self, world: &mut World) -> Self {
        world.tally.note("worker crashed");
        if world.once_in(3) {
            self.die_settling(world).await;
        }
        world.trace.say(format!("{} crashes", self.name));
        let mut old = std::mem::replace(self, Self::start(world));
        old.is_zombie = true;
        old
    }

    /// Does something with what it holds.
    pub async fn act(&mut self, world: &mut World) {
        if self.held.is_empty() {
            return;
        }
        self.note(world, "acted");
        if self.held.iter().any(is_suspect) && world.once_in(2) {
            return self.mark_alone(world).await;
        }
        if self.held.iter().any(is_nobodys) && world.once_in(3) {
            return self.bury(world).await;
        }
        match world.random.u32(..20) {
            0..8 => self.settle(world, FactKind::Completed).await,
            8 => self.settle(world, FactKind::Cancelled).await,
            9..13 => self.fail(world).await,
            13 => self.bury(world).await,
            14 => self.hand_back(world, Duration::ZERO).await,
            15 => self.hand_back(world, PARKED).await,
            16 => self.mark_alone(world).await,
            17 | 18 => self.renew(world).await,
            _ => self.tell_started(world).await,
        }
    }

    /// Ends what it holds: completes what it can read and buries the rest.
    pub async fn finish(&mut self, world: &mut World) {
        if self.held.iter().any(|lease| lease.entry.is_ok()) {
            self.settle(world, FactKind::Completed).await;
        } else {
            self.bury(world).await;
        }
    }

    /// Reads new work, and first what a lost answer left under its name.
    pub async fn fetch(&mut self, world: &mut World, count: usize) {
        if std::mem::take(&mut self.has_missed) {
            for stream in streams() {
                let found = world.store.fetch_unanswered(&self.name, &stream, 100, "0").await.unwrap();
                let known: HashSet<&String> = self.held.iter().map(|lease| &lease.entry_id).chain(&self.told).collect();
                let new: Vec<Fetched> = found.into_iter().filter(|lease| !known.contains(&lease.entry_id)).collect();
                world.tally.note_many("fetch recovered", new.len() as u64);
                self.take(world, new).await;
            }
        }
        let found = world.store.fetch(&self.name, &streams(), count).await.unwrap();
        let is_lost = world.once_in(8) && !found.is_empty();
        world.trace.say(format!("{} fetches {}{}", self.name, ids(&found), if is_lost { " lost" } else { "" }));
        if is_lost {
            world.tally.note("fetch lost");
            self.has_missed = true;
        } else {
            self.take(world, found).await;
        }
    }

    async fn take(&mut self, world: &mut World, found: Vec<Fetched>) {
        for entry in found.iter().filter_map(|lease| lease.entry.as_ref().ok()) {
            assert_may_run(world, entry).await;
        }
        self.held.extend(found);
    }

    /// Says that an entry runs alone, so that a crash is its own fault.
    async fn mark_alone(&mut self, world: &mut World) {
        let suspect = self.held.iter().find(|lease| is_suspect(lease)).cloned();
        let lease = suspect.unwrap_or_else(|| world.pick(&self.held));
        if world.store.mark_alone(&self.name, &lease.stream, &lease.entry_id).await.unwrap() {
            world.tally.note("alone marked");
        }
    }

    /// Keeps its leases, and forgets those that it has lost.
    async fn renew(&mut self, world: &mut World) {
        let by_stream: HashSet<Stream> = self.held.iter().map(|lease| lease.stream.clone()).collect();
        for stream in by_stream {
            let entry_ids: Vec<String> =
                self.held.iter().filter(|lease| lease.stream == stream).map(|lease| lease.entry_id.clone()).collect();
            let kept = world.store.renew(&self.name, &stream, &entry_ids).await.unwrap();
            let before = self.held.len();
            self.held.retain(|lease| lease.stream != stream || kept.contains(&lease.entry_id));
            world.tally.note_many("lease lost", (before - self.held.len()) as u64);
        }
    }

    async fn tell_started(&mut self, world: &mut World) {
        let name = &self.name;
        let started = self.held.iter().filter_map(|lease| lease.entry.as_ref().ok());
        let facts: Vec<Fact> = started.map(|entry| fact(entry, FactKind::Started, name)).collect();
        if !facts.is_empty() {
            world
                .send("start", &format!("{name} starts {}", facts.len()), async |store| store.start(name, &facts).await)
                .await;
        }
    }

    /// Counts what a zombie does.
    pub fn note(&self, world: &mut World, word: &str) {
        if self.is_zombie {
            world.tally.note(format!("zombie {word}"));
        }
    }
}

/// Whether it can be read and no handler knows what to make of it.
fn is_nobodys(lease: &Fetched) -> bool {
    lease.entry.as_ref().is_ok_and(|entry| entry.task_id.as_str().starts_with(NOBODY))
}

/// Whether workers have died of it: it runs alone.
fn is_suspect(lease: &Fetched) -> bool {
    lease.entry.as_ref().is_ok_and(|entry| entry.crashes >= limit::CRASHES_MAX - 1)
}

/// Whatever an entry depends on has ended, and as its edges ask.
async fn assert_may_run(world: &mut World, entry: &WorkEntry) {
    if entry.parents.is_empty() || !world.ledger.knows(entry) {
        return;
    }
    world.tally.note("released");
    let view = world.store.task(&entry.task_id).await.unwrap().unwrap();
    for parent in &entry.parents {
        let is_its = |name: &String| name.split('@').next() == Some(&parent.index.to_string());
        let mut ends = view.outcomes.iter().filter(|(name, _)| is_its(name)).map(|(_, text)| text);
        let is_any = parent.on_failure == OnFailure::Continue;
        let may = ends.any(|text| is_any || text.starts_with("completed"));
        assert!(may, "{} runs before its parent {}: {:?}", entry.subtask_id, parent.index, view.outcomes);
    }
}

/// A fact about an attempt.
pub fn fact(entry: &WorkEntry, kind: FactKind, worker: &ConsumerName) -> Fact {
    Fact {
        task_id: entry.task_id.clone(),
        index: Some(entry.index),
        last: None,
        generation: entry.generation,
        kind,
        attempt: entry.attempt,
        crashes: entry.crashes,
        worker: worker.clone(),
        at_ms: 0,
        reason: None,
    }
}

/// Entries as a failure shows them.
pub fn ids(leases: &[Fetched]) -> String {
    let one = |lease: &Fetched| match &lease.entry {
        Ok(entry) => format!("{}@{}={}", entry.subtask_id, entry.generation, lease.entry_id),
        Err(error) => format!("({error})={}", lease.entry_id),
    };
    leases.iter().map(one).collect::<Vec<_>>().join(" ")
}
