//! `fold` against its law.

use crate::history::check;
use crate::strangers::add;
use crate::workers::read_log;
use crate::world::World;
use proto_schemas::{Kind, OnFailure, Parent, Priority, SubtaskDefinition, TaskId, limit};
use redis_store::events::EventEntry;
use redis_store::fold::Folded;
use redis_store::submit::{Admission, Submission};
use redis_store::task_end::TaskEnd;
use std::time::Duration;
use task_core::law::fold::{Fold, FoldCounts, LogEntry};
use task_core::law::identity::read_lines;
use task_core::law::{StreamName, TaskBook};

#[test]
fn fold_keeps_to_its_law() {
    check(
        call,
        &[
            "fold counted",
            "fold progressed",
            "fold duplicate",
            "fold ignored",
            "fold again",
            "fold ended a task",
            "fold released",
            "fold skipped",
            "fold fail_fast",
            "fold counted a later generation",
        ],
    );
}

/// Random histories have small plans.
#[test]
fn what_is_skipped_in_wide_plans_is_told_in_entries_of_a_thousand() {
    let mut world = World::start(1);
    world.begin_history();
    let admission = Admission { backlog_max: 9_999, deadline: Duration::from_secs(60) };
    for task in ["a", "b", "c"] {
        let mut subtasks = vec![SubtaskDefinition::new("k".parse().unwrap(), "d", Priority::Low); 401];
        for subtask in &mut subtasks[1..] {
            subtask.depends_on = vec![Parent { name: "p".parse().unwrap(), index: 0, on_failure: OnFailure::Skip }];
        }
        let order = Submission::new(task.parse().unwrap(), world.consumer(), "d".to_owned(), subtasks);
        world.run(async |store| store.submit(&order, admission).await);
        world.stranger(&["XADD", "events", "*", "v", "1", "by", "w", "facts", &format!("{task} 0 0 failed 1 0 w 5")]);
    }
    world.accept_all();
    while world.read.len() < 6 {
        read_log(&mut world);
    }
    let entries = world.read.clone();
    fold(&mut world, &entries, Duration::from_secs(60), true);
    let log = &world.books.streams[&StreamName::Events].entries;
    let told: Vec<usize> = log.values().rev().take(2).map(|told| read_lines(told).len()).collect();
    assert_eq!(told, [1, 2]);
}

pub fn call(world: &mut World) {
    if world.random.u8(..4) == 0 {
        end_what_runs_again(world);
    }
    read_log(world);
    if world.read.is_empty() {
        return;
    }
    // New and old entries, in any order, some of them twice.
    let newest = world.read.len().saturating_sub(world.random.usize(..4));
    let mut entries: Vec<EventEntry> = world.read[newest..].to_vec();
    entries.extend((0..world.random.usize(1..5)).map(|_| world.pick(world.read.clone())));
    world.random.shuffle(&mut entries);
    let task_ttl = Duration::from_secs(world.pick([60, 604_800]));
    let acknowledge = world.random.u8(..4) > 0;
    for _ in 0..world.sendings() {
        fold(world, &entries, task_ttl, acknowledge);
    }
}

/// Someone tells that what runs again has ended.
fn end_what_runs_again(world: &mut World) {
    let open = world.books.tasks.iter().flat_map(|(task_id, task)| {
        task.state.open_indexes().into_iter().map(move |(index, generation)| (task_id.clone(), index, generation))
    });
    let again = open.filter(|(_, _, generation)| *generation > 0).collect::<Vec<_>>();
    let Some((task_id, index, generation)) = world.random.choice(again) else { return };
    let (word, now_ms) = (world.pick(["completed", "failed"]), world.now_ms());
    let line = format!("{task_id} {index} {generation} {word} 1 0 w1 {now_ms}");
    add(world, &StreamName::Events, vec![(b"v".to_vec(), b"1".to_vec()), (b"facts".to_vec(), line.into_bytes())]);
}

fn fold(world: &mut World, entries: &[EventEntry], task_ttl: Duration, acknowledge: bool) {
    let order = Fold {
        by: world.consumer(),
        task_ttl_ms: task_ttl.as_millis() as u64,
        hint_ms: limit::CANCEL_HINT_MS,
        acknowledge,
        entries: entries
            .iter()
            .map(|entry| LogEntry { entry_id: entry.entry_id.parse().unwrap(), lines: entry.lines.clone() })
            .collect(),
    };
    let (work_before, later_before) = (work(world), later(world));
    let last_before = world.books.streams[&StreamName::Events].last_id;
    let Folded { counts, ends } = world.call(
        &order,
        async |store| match acknowledge {
            true => store.fold(&order.by, task_ttl, entries).await,
            false => store.fold_again(&order.by, task_ttl, entries).await,
        },
        |books, moment| {
            let is_open = |(_, task): &(&TaskId, &TaskBook)| !task.state.status.is_terminal();
            let open: Vec<TaskId> = books.tasks.iter().filter(is_open).map(|(task_id, _)| task_id.clone()).collect();
            let law = books.fold(moment, &order);
            let FoldCounts { counted, progressed, duplicate, ignored } = law;
            let counts = redis_store::fold::FoldCounts { counted, progressed, duplicate, ignored };
            Folded { counts, ends: open.iter().filter_map(|task_id| end_of(&books.tasks[task_id])).collect() }
        },
    );
    world.count("fold counted", counts.counted);
    world.count("fold progressed", counts.progressed);
    world.count("fold duplicate", counts.duplicate);
    world.count("fold ignored", counts.ignored);
    world.count("fold again", u64::from(!acknowledge));
    world.count("fold ended a task", ends.len() as u64);
    world.count("fold released", work(world) - work_before);
    world.count("fold counted a later generation", later(world).saturating_sub(later_before));
    let log = &world.books.streams[&StreamName::Events].entries;
    let told: Vec<_> = log.iter().filter(|(id, _)| **id > last_before).flat_map(|(_, told)| read_lines(told)).collect();
    for reason in told.into_iter().flatten().filter_map(|fact| fact.reason) {
        world.count(format!("fold {reason}"), 1);
    }
}

/// What whoever ends a task that was open before is told of it.
pub fn end_of(task: &TaskBook) -> Option<TaskEnd> {
    let took_ms = task.outcome_at_ms.unwrap_or(0).saturating_sub(task.created_at_ms);
    let (status, kinds) = (task.state.status, task.fields["kinds"].as_str());
    let end = TaskEnd { status, took: Duration::from_millis(took_ms), kind: Kind::new(kinds).ok() };
    status.is_terminal().then_some(end)
}

/// Entries of work.
fn work(world: &World) -> u64 {
    let work = world.books.streams.iter().filter(|(name, _)| matches!(name, StreamName::Work(..)));
    work.map(|(_, stream)| stream.entries.len() as u64).sum()
}

/// Outcomes of later generations.
fn later(world: &World) -> u64 {
    let records = world.books.tasks.values().flat_map(|task| task.state.records.keys());
    records.filter(|(_, generation)| *generation > 0).count() as u64
}
