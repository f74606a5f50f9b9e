//! What every worker does for all: re-adding what the dead left, moving what is due, collecting dead consumers.

use crate::passing;
use crate::world::{LEASE, World, queues};
use proto_schemas::{ConsumerName, QueueName};
use redis_store::collect_consumer::Collected;
use redis_store::reap::{ReapCursors, Reaped};
use std::collections::BTreeMap;

/// A worker's reaper, with a place in each queue.
pub struct Reaper {
    name: ConsumerName,
    cursors: BTreeMap<QueueName, ReapCursors>,
}

impl Reaper {
    pub fn start(world: &mut World) -> Self {
        Self { name: world.name("reaper"), cursors: BTreeMap::new() }
    }

    /// Asks for this second's round of each queue; says whether it had any.
    pub async fn reap(&mut self, world: &mut World) -> bool {
        let mut has_run = false;
        for queue in queues() {
            let (name, cursors) = (&self.name, self.cursors.entry(queue.clone()).or_default());
            let what = format!("{name} reaps {queue}");
            let sent = world.send("reap", &what, async |store| store.reap(name, &queue, LEASE, cursors).await).await;
            sent.answers.iter().for_each(|answer| count(world, answer.as_ref()));
            has_run |= sent.answers.iter().any(Option::is_some);
        }
        has_run
    }
}

fn count(world: &mut World, answer: Option<&Reaped>) {
    let Some(reaped) = answer else { return world.tally.note("reap skipped") };
    assert_eq!(reaped.ghosts, 0, "nobody deletes what is pending");
    world.tally.note_many("reap returned", reaped.returned);
    world.tally.note_many("reap buried", reaped.buried);
    world.tally.note_many("reap malformed", reaped.malformed);
    world.ledger.buried_by_reapers += reaped.buried;
}

/// Two reapers look at the same leases, because a mark got lost between them, or at once.
pub async fn reap_twice(world: &mut World, reapers: &mut [Reaper; 2]) {
    let [one, other] = reapers;
    if world.once_in(2) {
        let queue = world.pick(&queues());
        let (mine, theirs) =
            (one.cursors.entry(queue.clone()).or_default(), other.cursors.entry(queue.clone()).or_default());
        let store = world.store.clone();
        let (first, second) =
            tokio::join!(store.reap(&one.name, &queue, LEASE, mine), store.reap(&other.name, &queue, LEASE, theirs));
        let (first, second) = (first.unwrap(), second.unwrap());
        world.trace.say(format!("two reap {queue} at once -> {first:?} {second:?}"));
        assert!(first.is_none() || second.is_none(), "one round at a time");
        [first, second].iter().for_each(|answer| count(world, answer.as_ref()));
        return;
    }
    let first = one.reap(world).await;
    passing::end_second(world);
    let second = other.reap(world).await;
    world.tally.note_many("two reapers", u64::from(first && second));
}

/// Moves what is due.
pub async fn promote(world: &mut World) {
    let name = world.name("promoter");
    let sent = world.send("promote", "promote", async |store| store.promote(&name).await).await;
    for promoted in &sent.answers {
        assert_eq!(promoted.malformed, 0, "every member has a body");
        world.tally.note_many("promote moved", promoted.moved);
    }
}

/// Removes a consumer that does not beat, unless something is pending under it.
pub async fn collect(world: &mut World, consumer: &ConsumerName) {
    let what = format!("collect {consumer}");
    let sent =
        world.send("collect_consumer", &what, async |store| store.collect_consumer(consumer, &queues()).await).await;
    for collected in &sent.answers {
        world.tally.note(match collected {
            Collected::Removed => "consumer removed",
            Collected::Busy => "consumer busy",
        });
    }
}
