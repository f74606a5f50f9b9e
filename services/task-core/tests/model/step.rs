//! One step: a state becomes books, a law changes them, and what is left is the next state.

use crate::race::{Action, Event, Race, definition, needs, task_id};
use crate::stage::{NOW_MS, Stage, edges, fact, moment, work, worker};
use crate::state::{It, Lease, SUBTASKS, State, Word};
use proto_schemas::{ConsumerName, Kind, Outcome, Priority, QueueName, SubtaskId};
use task_core::law::bury::{Burial, Buried, Bury, Owner};
use task_core::law::cancel::{Cancel, Cancelled};
use task_core::law::fold::{Fold, LogEntry};
use task_core::law::hand_back::{HandBack, HandedBack, Unfinished};
use task_core::law::identity::read_lines;
use task_core::law::promote::Promote;
use task_core::law::reap::{Asked, Patience, Reap, Reaped};
use task_core::law::requeue::{Requeue, RequeueItem, Requeued};
use task_core::law::retry::{FailedAttempt, Retried, Retry};
use task_core::law::settle::{Settle, Settled, Settlement};
use task_core::law::{Books, EntryId, StreamName};

/// The second crash buries.
const PATIENCE: Patience = Patience { crashes_max: 2, crashes_cap: 2, alone_deliveries: 1 };
const LEASE_MS: u64 = 500;
/// An entry that is gone.
const GONE: EntryId = EntryId { ms: 0, sequence: 0 };

/// Takes one step.
pub fn take(race: &Race, before: &State, action: Action) -> State {
    if let Action::Lease(at) = action {
        return lease(before, at);
    }
    let (mut stage, mut told) = (Stage::set(before), None);
    match action {
        Action::Lease(_) => {}
        Action::Die(at) => drop(stage.held.remove(&stage.work_ids[at])),
        Action::Settle { at, outcome, is_lost } => {
            let it = release(race, &mut stage, at, is_lost);
            match settle(&mut stage.books, stage.work_ids[at], it, outcome) {
                Settled::Recorded => told = Some(it),
                Settled::Dropped => race.witness(Event::Dropped),
                Settled::Stale => return broken(before, "a lease that stands is stale"),
            }
        }
        Action::Retry { at, is_lost } => {
            let it = release(race, &mut stage, at, is_lost);
            if retry(&mut stage.books, stage.work_ids[at], it) == Retried::Dropped {
                race.witness(Event::Dropped);
            }
        }
        Action::HandBack { at, park_ms } => {
            release(race, &mut stage, at, false);
            match hand_back(&mut stage.books, stage.work_ids[at], park_ms) {
                HandedBack::Returned | HandedBack::Parked => {}
                HandedBack::Dropped => race.witness(Event::NotHandedBack),
                HandedBack::Stale => return broken(before, "a lease that stands is stale"),
            }
        }
        Action::Bury(at) => {
            let it = release(race, &mut stage, at, false);
            told = (bury(&mut stage.books, stage.work_ids[at], it) == Buried::Buried).then_some(it);
        }
        Action::ActLate => {
            race.witness(Event::LateZombie);
            stage.zombies -= 1;
            let attempts = (0..SUBTASKS).map(|index| (index, before.generations[index as usize]));
            let mut attempts = attempts.map(|(index, generation)| It { index, generation, attempt: 1, crashes: 0 });
            if !attempts.all(|it| is_powerless(&stage.books, it)) {
                return broken(before, "a zombie changed something");
            }
        }
        Action::Reap(at) => {
            let it = before.work[at].1;
            let reaped = reap(&mut stage.books, stage.work_ids[at]);
            race.witness(if reaped.buried > 0 { Event::Burial } else { Event::Claim });
            told = (reaped.buried > 0).then_some(it);
        }
        Action::Promote(at) => promote(&mut stage.books, before.delayed[at].index),
        Action::Fold(at) => fold(race, &mut stage, &[at], true),
        Action::FoldAgain(at) => fold(race, &mut stage, &[at], false),
        Action::FoldAll => fold(race, &mut stage, &(0..before.log.len()).collect::<Vec<_>>(), true),
        Action::Cancel | Action::RequeueOne(_) | Action::RequeueAll => return ask(before, stage, action),
    }
    let mut after = stage.strike(before);
    if let Some(it) = told {
        // A leftover that a cancel overtook is judged once more by a reaper, which does not look at records.
        let is_over = before.records[it.index as usize][it.generation as usize].is_some();
        if after.answered & it.bit() != 0 && !is_over {
            after.broken = Some("an outcome was accepted twice");
        }
        after.answered |= it.bit();
    }
    after
}

fn broken(before: &State, what: &'static str) -> State {
    State { broken: Some(what), ..before.clone() }
}

/// Another unread entry may be the oldest.
fn lease(before: &State, at: usize) -> State {
    let mut first = before.clone();
    let chosen = first.work.remove(at);
    let delivered = first.work.iter().filter(|(lease, _)| *lease != Lease::Unread).count();
    first.work.insert(delivered, chosen);
    let mut stage = Stage::set(&first);
    let ids = stage.books.lease(&work(), &worker(), 1, NOW_MS);
    stage.held.insert(ids[0], chosen.1);
    stage.strike(before)
}

/// What a worker holds at a place; it forgets it unless the reply is lost.
fn release(race: &Race, stage: &mut Stage, at: usize, is_lost: bool) -> It {
    let id = stage.work_ids[at];
    let it = stage.held[&id];
    if is_lost {
        race.witness(Event::LostReply);
    } else {
        stage.held.remove(&id);
    }
    it
}

fn subtask_id(it: It) -> SubtaskId {
    task_id().subtask(u32::from(it.index)).unwrap()
}

fn settle(books: &mut Books, entry_id: EntryId, it: It, outcome: Word) -> Settled {
    let fact = fact(it, Outcome::from(outcome).as_str());
    let (stream, subtask_id) = (work(), subtask_id(it));
    let item = Settlement { stream, entry_id, subtask_id, fact, result: None, result_ttl_ms: 1 };
    books.settle(&mut moment(), &Settle { by: worker(), items: vec![item] })[0]
}

fn retry(books: &mut Books, entry_id: EntryId, _: It) -> Retried {
    let (stream, queue, reason) = (work(), QueueName::default_queue(), Kind::new("timeout").unwrap());
    let item = FailedAttempt { stream, queue, entry_id, task_id: task_id(), delay_ms: 9_000, reason };
    books.retry(&mut moment(), &Retry { by: worker(), items: vec![item] })[0]
}

fn hand_back(books: &mut Books, entry_id: EntryId, park_ms: u64) -> HandedBack {
    let (queue, priority) = (QueueName::default_queue(), Priority::Medium);
    let entries = vec![Unfinished { entry_id, task_id: Some(task_id()) }];
    books.hand_back(&mut moment(), &HandBack { by: worker(), queue, priority, park_ms, entries })[0]
}

fn bury(books: &mut Books, entry_id: EntryId, it: It) -> Buried {
    let owner = Owner { task_id: task_id(), subtask_id: subtask_id(it), result: None, result_ttl_ms: 1 };
    let (stream, owner, reason) = (work(), Some(owner), Kind::new("fatal").unwrap());
    let item = Burial { stream, entry_id, owner, reason, error: String::new() };
    books.bury(&mut moment(), &Bury { by: worker(), items: vec![item] })[0]
}

/// Whether nothing that a worker could do with an entry that is gone changes anything.
fn is_powerless(books: &Books, it: It) -> bool {
    let mut after = books.clone();
    let stale = settle(&mut after, GONE, it, Word::Completed) == Settled::Stale
        && retry(&mut after, GONE, it) == Retried::Stale
        && hand_back(&mut after, GONE, 0) == HandedBack::Stale
        && bury(&mut after, GONE, it) == Buried::Stale;
    stale && after == *books
}

fn reap(books: &mut Books, entry_id: EntryId) -> Reaped {
    let group = books.streams.get_mut(&work()).and_then(|stream| stream.group.as_mut()).unwrap();
    group.pending.get_mut(&entry_id).unwrap().since_ms = 0;
    let (by, queue, cursors) = (ConsumerName::new("r").unwrap(), QueueName::default_queue(), Default::default());
    let order = Reap { by, queue, lease_ms: LEASE_MS, not_after_ms: None, count: 9, patience: PATIENCE, cursors };
    match books.reap(&mut moment(), &order) {
        Asked::Ran(reaped) => reaped,
        other => panic!("{other:?}"),
    }
}

fn promote(books: &mut Books, index: u8) {
    books.delayed.insert(format!("t-{index}"), 0);
    let promoted = books.promote(&mut moment(), &Promote { by: worker(), count: 9 });
    assert_eq!((promoted.moved, promoted.malformed), (1, 0));
}

/// Folds facts in one call; without an acknowledgement another projector still holds them.
fn fold(race: &Race, stage: &mut Stage, places: &[usize], acknowledge: bool) {
    let entry = |at: &usize| {
        let entry_id = stage.log_ids[*at];
        LogEntry { entry_id, lines: read_lines(stage.books.entry(&StreamName::Events, entry_id).unwrap()) }
    };
    let entries = places.iter().map(entry).collect();
    let order = Fold { by: worker(), task_ttl_ms: 1, hint_ms: 1, acknowledge, entries };
    if stage.books.fold(&mut moment(), &order).duplicate > 0 {
        race.witness(Event::Duplicate);
    }
}

/// A client cancels, or asks for another run.
fn ask(before: &State, mut stage: Stage, action: Action) -> State {
    let mut asked = before.clone();
    let indexes = match action {
        // In these plans, what it needs needs nothing in its turn.
        Action::RequeueOne(index) => (0..SUBTASKS).filter(|it| *it == index || needs(before, index, *it)).collect(),
        _ => (0..SUBTASKS).collect::<Vec<u8>>(),
    };
    if matches!(action, Action::Cancel) {
        asked.was_cancelled = true;
        let (by, task_id) = (worker(), task_id());
        let order =
            Cancel { by, task_id, reason: None, task_ttl_ms: 1, hint_ms: 1, only_past: false, if_revision: None };
        assert!(matches!(stage.books.cancel(&mut moment(), &order), Cancelled::Cancelled(_)));
        return stage.strike(&asked);
    }
    asked.was_requeued = true;
    let item = |index: u8| RequeueItem {
        entry: definition(before.plan, index).first_attempt(&task_id(), u32::from(index)).unwrap(),
        generation: u32::from(before.generations[index as usize]),
        queue: QueueName::default_queue(),
        priority: Priority::Medium,
        edges: edges(before.plan, index),
    };
    let items = indexes.into_iter().filter(|index| before.record(*index).is_some()).map(item).collect();
    let order = Requeue { by: worker(), task_id: task_id(), deadline_ms: 9_000, items, dead_letter: None };
    assert_eq!(stage.books.requeue(&mut moment(), &order), Requeued::Requeued);
    stage.strike(&asked)
}
