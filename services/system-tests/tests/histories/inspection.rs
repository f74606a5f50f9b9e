//! The world stands still and is compared with the ledger and with the laws of the audit.

use crate::claim::{Place, is_from_outside};
use crate::world::{World, queues};
use proto_schemas::{Fact, FactKind, Record, TaskId, limit};
use std::time::Duration;

/// Between the two passes of an audit; nothing moves meanwhile.
const PAUSE: Duration = Duration::from_millis(1);
/// Entries of the log in one page.
const PAGE: usize = 500;

/// Panics with what does not hold.
pub async fn inspect(world: &mut World) {
    let report = projector::audit(&world.store, PAUSE).await.unwrap();
    assert!(report.is_clean(), "{report}");
    read_log(world).await;
    compare_tasks(world).await;
    for queue in queues() {
        let tokens = world.stranger(&["LLEN", &format!("bell:{queue}")]).integer();
        assert!(tokens <= 64, "{tokens} tokens in the bell of {queue}");
    }
}

/// No life has two ends in the log, and none that nobody was told to have recorded.
async fn read_log(world: &mut World) {
    let mut crashed = 0;
    loop {
        let after = world.ledger.log_end.clone().unwrap_or_else(|| "-".to_owned());
        let page = world.store.range_events(&after, PAGE).await.unwrap();
        let Some(last) = page.last() else { break };
        world.ledger.log_end = Some(last.entry_id.clone());
        for entry in page.iter().filter(|entry| !world.ledger.forged.contains(&entry.entry_id)) {
            for fact in entry.lines.iter().flatten() {
                if let Some(place) = end_of(fact).filter(|place| world.ledger.has(place)) {
                    let told = world.ledger.told.insert(place.clone(), fact.clone());
                    assert_eq!(told, None, "{place} has ended before {}", fact.encode());
                }
            }
        }
    }
    for (place, fact) in world.ledger.told.clone() {
        let line = fact.encode();
        match world.ledger.claims.get(&place).cloned() {
            Some(claim) => assert!(claim.is_told_by(&fact), "{place}: {claim:?} was told as {line}"),
            None if fact.reason.as_ref().is_some_and(|reason| reason.as_str() == "crashes") => {
                assert!(fact.crashes >= limit::CRASHES_MAX, "{place} was buried too early: {line}");
                crashed += 1;
            }
            None if world.ledger.prove(&place, &fact) => world.tally.note("recorded by the dead"),
            None => panic!("{place}: nobody was told to have recorded {line}"),
        }
    }
    assert!(crashed <= world.ledger.buried_by_reapers, "{crashed} lives ended by crashes");
    for (place, claim) in &world.ledger.claims {
        assert!(world.ledger.told.contains_key(place), "{place}: {claim:?} is not in the log");
    }
}

/// The life whose end a fact tells, if somebody who ran it says so.
fn end_of(fact: &Fact) -> Option<Place> {
    let is_end = matches!(fact.kind, FactKind::Completed | FactKind::Failed) || Record::of(fact)?.attempt > 0;
    let (index, task_id) = (fact.index?, fact.task_id.clone());
    is_end.then_some(Place { task_id, index, generation: fact.generation })
}

/// Every task that was created is there and no other; no record changes or vanishes, no generation goes back.
async fn compare_tasks(world: &mut World) {
    let listed = world.store.tasks_count().await.unwrap();
    assert_eq!(listed, world.ledger.tasks.len() as u64, "tasks in the index");
    for task_id in world.ledger.created.clone() {
        let books = world.store.books(&task_id).await.unwrap().unwrap_or_else(|| panic!("{task_id} is missing"));
        let mut records = Vec::new();
        for (name, text) in &books.outcomes {
            if let Some(index) = name.strip_prefix("g:") {
                let (index, generation) = (index.parse().unwrap(), text.parse().unwrap());
                let before = world.ledger.generations.insert((task_id.clone(), index), generation);
                assert!(before.unwrap_or(0) <= generation, "{task_id} {index} went back to {generation}");
            } else if !name.starts_with('~') {
                records.push((place(&task_id, name), Record::decode(text).unwrap()));
            }
        }
        let kept = world.ledger.records.keys().filter(|place| place.task_id == task_id).count();
        let found = records.iter().filter(|(place, _)| world.ledger.records.contains_key(place)).count();
        assert_eq!(found, kept, "{task_id} has lost a record: {:?}", books.outcomes);
        records.into_iter().for_each(|(place, record)| compare_record(world, place, record));
    }
}

fn compare_record(world: &mut World, place: Place, record: Record) {
    if let Some(before) = world.ledger.records.get(&place) {
        assert_eq!(*before, record, "{place} has another record than before");
        return;
    }
    let reason = record.reason.as_deref().unwrap_or("asked");
    if is_from_outside(&record) {
        world.tally.note(format!("outcome {reason}"));
    } else {
        let told = world.ledger.told.get(&place).unwrap_or_else(|| panic!("{place}: {record:?} was never told"));
        assert_eq!(Record::of(told).as_ref(), Some(&record), "{place}");
        world.tally.note(format!("outcome {}", record.outcome));
    }
    world.ledger.records.insert(place, record);
}

/// The life that a field of the outcomes is about.
fn place(task_id: &TaskId, name: &str) -> Place {
    let (index, generation) = name.split_once('@').unwrap_or((name, "0"));
    Place { task_id: task_id.clone(), index: index.parse().unwrap(), generation: generation.parse().unwrap() }
}
