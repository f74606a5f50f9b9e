//! A sound system shows nothing, however busy.

use crate::stage::{Stage, config, name, stage};
use projector::audit;
use projector::audit::law::Law;
use proto_schemas::{FactKind, QueueName};
use redis_store::Stream;
use redis_store::reap::ReapCursors;
use std::time::{Duration, Instant};

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
    let ids: Vec<String> = of("waiting").into_iter().map(|entry| entry.entry_id).collect();
    stage.store.hand_back(&name("w"), &all[0].stream, &ids).await.expect("answers");
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
    let end = Instant::now() + Duration::from_secs(4);
    let submitting = async {
        let mut no = 0;
        while Instant::now() < end {
            stage.submit(&format!("T{no}"), 20).await;
            no += 1;
            tokio::time::sleep(Duration::from_millis(2)).await; // or the audit only reads a backlog
        }
        no
    };
    let auditing = async {
        let (mut audits, mut second_looks) = (0, 0);
        while Instant::now() < end {
            let started = Instant::now();
            let report = audit(&stage.store, PAUSE).await.expect("a report");
            assert!(report.is_clean(), "{report}");
            audits += 1;
            second_looks += usize::from(started.elapsed() > PAUSE);
        }
        (audits, second_looks)
    };
    let (tasks, _, _, audits) = tokio::join!(submitting, work(&stage, "w1", end), work(&stage, "w2", end), auditing);
    assert!(tasks > 50 && audits.0 > 1 && audits.1 > 0, "{tasks} tasks, audits and second looks {audits:?}");
    stage.until_folded().await;
    let report = audit(&stage.store, PAUSE).await.expect("a report");
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.subtasks, report.events_unfolded), (tasks * 20, 0));
}

/// A worker that completes most, fails some, hands some back, and lets some be reaped.
async fn work(stage: &Stage, worker: &str, end: Instant) {
    let queue = QueueName::default_queue();
    let mut cursors = ReapCursors::default();
    for round in 0_usize.. {
        if Instant::now() >= end {
            return;
        }
        let mut fetched = stage.fetch(worker, 16).await;
        if fetched.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let abandoned = fetched.split_off(fetched.len().min(14));
        let returned = fetched.split_off(fetched.len().min(12));
        let ids: Vec<String> = returned.iter().map(|entry| entry.entry_id.clone()).collect();
        if let Some(first) = returned.first() {
            let stream: &Stream = &first.stream;
            stage.store.hand_back(&name(worker), stream, &ids).await.expect("answers");
        }
        drop(abandoned);
        let kind = if round % 5 == 0 { FactKind::Failed } else { FactKind::Completed };
        let batch: Vec<_> = fetched.iter().map(|entry| crate::stage::settlement(entry, worker, kind)).collect();
        stage.store.settle(&name(worker), &batch).await.expect("answers");
        stage.store.reap(&name(worker), &queue, Duration::from_millis(100), &mut cursors).await.expect("a round");
    }
}
