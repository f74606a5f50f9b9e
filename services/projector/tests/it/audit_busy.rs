//! A sound system shows nothing, however busy.

use crate::stage::{Stage, TTL, config, definition, dependant, id, name, retries, settlement, stage};
use projector::audit;
use projector::audit::law::Law;
use proto_schemas::{FactKind, OnFailure, Priority, QueueName};
use redis_store::Stream;
use redis_store::cancel::CancelOrder;
use redis_store::hand_back::Unfinished;
use redis_store::reap::ReapCursors;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn an_empty_redis_is_clean() {
    let stage = stage().await;
    let report = audit(&stage.store, Duration::from_secs(60)).await.expect("a report");
    assert!(report.is_clean());
    assert_eq!((report.tasks, report.entries, report.events_unfolded), (0, 0, 0));
    assert!(report.to_string().ends_with("every law holds"));
}

#[tokio::test]
async fn every_place_a_token_may_be_in_counts() {
    let stage = stage().await;
    for task in ["waiting", "running", "unread", "unfolded", "folded"] {
        stage.submit(task, 2).await;
    }
    let all = stage.fetch("w", 10).await;
    let of = |task: &str| {
        let is_its = |entry: &redis_store::fetch::Fetched| {
            entry.entry.as_ref().is_ok_and(|entry| entry.task_id.as_str() == task)
        };
        all.iter().filter(|entry| is_its(entry)).cloned().collect::<Vec<_>>()
    };
    let waiting: Vec<Unfinished> = of("waiting").iter().map(Unfinished::from).collect();
    stage.store.hand_back(&name("w"), &all[0].stream, &waiting).await.expect("answers");
    stage.settle("w", &of("folded"), FactKind::Failed).await;
    let read = stage.store.read_events(&name("p"), 100, Duration::from_millis(100)).await.expect("entries");
    stage.store.fold(&name("p"), crate::stage::TTL, &read).await.expect("counts");
    stage.settle("w", &of("unfolded"), FactKind::Completed).await;
    stage.store.read_events(&name("p"), 100, Duration::from_millis(100)).await.expect("entries");
    stage.settle("w", &of("unread"), FactKind::Completed).await;
    stage.command(&format!("XADD {} * task_id by-hand subtask_id by-hand-0 description d", crate::stage::MEDIUM));
    stage.command(&format!("XADD {} * garbage in", crate::stage::MEDIUM));

    let report = audit(&stage.store, Duration::ZERO).await.expect("a report");
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.tasks, report.subtasks, report.entries, report.events_unfolded), (5, 10, 6, 2));
    assert_eq!((report.unknown_entries, report.malformed_entries), (1, 1));
}

#[tokio::test]
async fn streams_pending_lists_logs_and_indexes_are_read_to_their_ends() {
    let stage = stage().await;
    for no in 0..450 {
        stage.submit(&format!("T{no}"), 6).await;
    }
    let held = stage.fetch("w", 2_200).await; // pages hold 1,000
    stage.settle("w", &held[..1], FactKind::Completed).await;
    stage.store.read_events(&name("p"), 300, Duration::from_millis(100)).await.expect("entries");
    let report = audit(&stage.store, Duration::ZERO).await.expect("a report");
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.tasks, report.subtasks), (450, 2_700));
    assert_eq!((report.entries, report.events_unfolded), (2_699, 451));

    for place in [5, 1_000, 2_000, 2_199] {
        stage.command(&format!("XDEL {} {}", crate::stage::MEDIUM, held[place].entry_id));
    }
    stage.command("HINCRBY task:T0 failed 1");
    stage.command("HINCRBY task:T449 failed 1");
    let report = audit(&stage.store, Duration::ZERO).await.expect("a report");
    let count = |law: Law| report.violations.iter().filter(|found| found.law == law).count();
    let laws = [Law::GhostPending, Law::TokenMissing, Law::CountersDisagree, Law::StatusDisagrees];
    assert_eq!(laws.map(count), [4, 4, 2, 2], "{report}");
    assert_eq!(report.violations.len(), 12);
}

#[tokio::test]
async fn a_busy_system_is_clean() {
    let stage = stage().await;
    let _running = [stage.start(config("p1")), stage.start(config("p2"))];
    let over = CancellationToken::new();
    let submitting = async {
        let mut no = 0;
        while !over.is_cancelled() {
            submit(&stage, no).await;
            no += 1;
            tokio::time::sleep(Duration::from_millis(5)).await; // or the audit only reads a backlog
        }
        no
    };
    let auditing = async {
        let (mut audits, mut second_looks, started) = (0, 0, Instant::now());
        while (audits < 4 || second_looks < 2) && started.elapsed() < Duration::from_secs(60) {
            let started = Instant::now();
            let report = audit(&stage.store, PAUSE).await.expect("a report");
            assert!(report.is_clean(), "{report}");
            audits += 1;
            second_looks += usize::from(started.elapsed() > PAUSE);
        }
        over.cancel();
        (audits, second_looks)
    };
    let (tasks, _, _, audits) =
        tokio::join!(submitting, work(&stage, "w1", &over), work(&stage, "w2", &over), auditing);
    assert!(tasks > 50 && audits.0 >= 4 && audits.1 >= 2, "{tasks} tasks, audits and second looks {audits:?}");
    stage.until_folded().await;
    let report = audit(&stage.store, PAUSE).await.expect("a report");
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.tasks, report.events_unfolded), (tasks, 0));
}

/// Tasks of every shape: independent subtasks, a chain and a diamond; some are cancelled at once, some run again.
async fn submit(stage: &Stage, no: u64) {
    let (task, on_failure) = (format!("T{no}"), [OnFailure::FailFast, OnFailure::Skip, OnFailure::Continue]);
    let of = |index: usize| on_failure[(no as usize + index) % 3];
    match no % 4 {
        0 => stage.submit(&task, 20).await,
        1 => {
            let chain = |index: u32| dependant("link", &[(index, of(index as usize))]);
            let plan = std::iter::once(definition("first")).chain((0..8).map(chain)).collect();
            stage.submit_plan(&task, plan).await;
        }
        2 => {
            let sides = [dependant("left", &[(0, of(0))]), dependant("right", &[(0, of(1))])];
            let last = dependant("last", &[(1, of(2)), (2, of(0))]);
            stage.submit_plan(&task, [&[definition("first")][..], &sides, &[last]].concat()).await;
        }
        _ => {
            stage.submit(&task, 5).await;
            let again = stage.store.task(&id(&format!("T{}", no / 2 / 4 * 4))).await.expect("a read");
            let Some(again) = again.filter(|view| view.task.status.is_terminal()) else { return };
            stage.run_again(&again.task).await;
        }
    }
    if no.is_multiple_of(7) {
        let order = CancelOrder { reason: None, task_ttl: TTL, only_past: false, if_revision: None };
        stage.store.cancel(&name("api"), &id(&task), &order).await.expect("an answer");
    }
}

/// A worker that completes most, fails some, hands some back, parks some, schedules some again, and lets some be
/// reaped.
async fn work(stage: &Stage, worker: &str, over: &CancellationToken) {
    let queue = QueueName::default_queue();
    let stream = Stream { queue: queue.clone(), priority: Priority::Medium };
    let (mut cursors, by) = (ReapCursors::default(), name(worker));
    for round in 0_usize.. {
        if over.is_cancelled() {
            return;
        }
        let mut fetched = stage.fetch(worker, 16).await;
        if fetched.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(fetched.split_off(fetched.len().min(15))); // abandoned
        for (from, pause) in [(14, Duration::ZERO), (12, Duration::from_millis(20))] {
            let back = fetched.split_off(fetched.len().min(from));
            let back: Vec<Unfinished> = back.iter().map(Unfinished::from).collect();
            stage.store.park(&by, &stream, &back, pause).await.expect("answers");
        }
        let failed = fetched.split_off(fetched.len().min(10));
        stage.store.retry(&by, &retries(&failed, round as u64 % 40)).await.expect("answers");
        let kind = if round % 5 == 0 { FactKind::Failed } else { FactKind::Completed };
        let batch: Vec<_> = fetched.iter().map(|entry| settlement(entry, worker, kind)).collect();
        stage.store.settle(&by, &batch).await.expect("answers");
        stage.store.promote(&by).await.expect("an answer");
        stage.store.reap(&by, &queue, Duration::from_millis(100), &mut cursors).await.expect("a round");
    }
}
