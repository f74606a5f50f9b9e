//! The end of a history: nobody dies any more, time passes, and everything must come to its end.

use crate::folder::Folder;
use crate::maintenance::{self, Reaper};
use crate::passing;
use crate::worker::Worker;
use crate::world::{World, streams};
use proto_schemas::{EntryError, Outcome};
use redis_store::fetch::Fetched;

/// Rounds after which whatever is left is stuck.
const ROUNDS_MAX: usize = 200;
/// Entries of one read.
const COUNT: usize = 50;

/// Drives everything to its end.
pub async fn drain(world: &mut World) {
    let (mut worker, mut reaper, mut folder) = (Worker::start(world), Reaper::start(world), Folder::start(world));
    for _ in 0..ROUNDS_MAX {
        passing::end_leases(world, std::slice::from_ref(&worker.name));
        passing::make_due(world, true);
        passing::end_second(world);
        reaper.reap(world).await;
        maintenance::promote(world).await;
        worker.fetch(world, COUNT).await;
        retire_newer(world, &mut worker);
        while !worker.held.is_empty() {
            worker.finish(world).await;
        }
        while folder.read(world, COUNT).await | folder.claim(world, COUNT).await {
            folder.fold_all(world).await;
        }
        if is_empty(world).await {
            return;
        }
    }
    panic!("after {ROUNDS_MAX} rounds something is left: {:?}", left(world).await);
}

/// A newer worker, which this world has none of, has done what is written for it.
fn retire_newer(world: &mut World, worker: &mut Worker) {
    let is_newer = |lease: &Fetched| matches!(lease.entry, Err(EntryError::Newer(_)));
    let (newer, rest): (Vec<Fetched>, Vec<Fetched>) = std::mem::take(&mut worker.held).into_iter().partition(is_newer);
    worker.held = rest;
    for lease in newer {
        world.stranger(&["XACK", &lease.stream.key(), "workers", &lease.entry_id]);
        world.stranger(&["XDEL", &lease.stream.key(), &lease.entry_id]);
    }
}

async fn is_empty(world: &mut World) -> bool {
    left(world).await.iter().all(|(_, count)| *count == 0)
}

/// How much there is of everything that must be nothing at the end.
async fn left(world: &mut World) -> Vec<(String, u64)> {
    let mut left = Vec::new();
    for stream in streams() {
        left.push((stream.key(), world.store.stream_length(&stream).await.unwrap()));
        let group = world.store.work_group(&stream).await.unwrap().unwrap();
        left.push((format!("pending in {stream}"), group.pending));
    }
    for group in world.store.event_groups().await.unwrap() {
        let unread = world.store.range_events(&group.last_delivered_id, 1).await.unwrap().len() as u64;
        left.push((format!("unfolded by {}", group.name), group.pending + unread));
    }
    for (command, key) in [("ZCARD", "delayed"), ("HLEN", "delayed:body")] {
        left.push((key.to_owned(), world.stranger(&[command, key]).integer() as u64));
    }
    let (open, _) = world.store.open_count().await.unwrap();
    left.push(("open tasks".to_owned(), open));
    left.push(("plans".to_owned(), world.stranger(&["KEYS", "plan:*"]).items().len() as u64));
    left
}

/// Every claim stands in the records, unless a cancel came before it was folded; every result is of the one who
/// claimed.
pub async fn check_claims(world: &mut World) {
    for (place, claim) in world.ledger.claims.clone() {
        let record =
            world.ledger.records.get(&place).cloned().unwrap_or_else(|| panic!("{place}: {claim:?} has no record"));
        let is_kept = claim.is_kept_by(&record);
        assert!(is_kept || crate::claim::is_from_outside(&record), "{place}: {claim:?} became {record:?}");
        let current = world.ledger.generations.get(&(place.task_id.clone(), place.index)).copied().unwrap_or(0);
        if is_kept && current == place.generation {
            let key = format!("result:{}-{}", place.task_id, place.index);
            let result = world.stranger(&["GET", &key]).text();
            assert_eq!(
                Some(result),
                claim.result,
                "{place}: the result is of somebody else than {claim:?}, {record:?}"
            );
            world.tally.note_many("result checked", u64::from(record.outcome != Outcome::Cancelled));
        }
    }
}
