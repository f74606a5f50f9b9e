//! What a worker counts is what has happened.

use crate::doing::{Watch, handlers};
use crate::stage::{doings, eventually, patient, quick, stage, subtask};
use proto_schemas::{Priority, SubtaskDefinition};
use serde_json::{Value, json};
use std::sync::Arc;
use system_tests::scrape::Scrape;
use worker::{Config, HandlerError, WorkerMetrics};

const STREAM: &str = "subtasks:default:medium";

fn hasty(max_attempts: u32) -> Vec<SubtaskDefinition> {
    vec![SubtaskDefinition { max_attempts, backoff_base_ms: 1, ..subtask("do", &json!({})) }]
}

fn scrape(metrics: &WorkerMetrics) -> Scrape {
    Scrape::parse(&metrics.registry().text()).expect("a sound text")
}

/// A series, by its name without the prefix and its labels, and what it must say.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

#[track_caller]
fn check(scrape: &Scrape, expected: &[Expected]) {
    for (name, labels, value) in expected {
        assert_eq!(scrape.value(&format!("millstream_{name}"), labels), Some(*value), "{name} {labels:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_an_attempt_is_counted_once() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("C", doings(1, Priority::Medium)).await;
    let doomed = stage.work_apart(quick(), watch.hold());
    eventually("what will crash runs", || watch.running() == 1).await;
    doomed.crash();
    stage.submit("OK", doings(3, Priority::Medium)).await;
    for (task, attempts) in [("THIRD", 5), ("NEVER", 2), ("FATAL", 5), ("PANIC", 1)] {
        stage.submit(task, hasty(attempts)).await;
    }
    let doing = handlers(|ctx| async move {
        match ctx.task_id().as_str() {
            "THIRD" if ctx.attempt() < 3 => Err(HandlerError::Retryable("not yet".to_owned())),
            "NEVER" => Err(HandlerError::Retryable("never".to_owned())),
            "FATAL" => Err(HandlerError::Fatal("no".to_owned())),
            "PANIC" => panic!("a bug"),
            _ => Ok(Value::Null),
        }
    });
    let metrics = Arc::new(WorkerMetrics::default());
    let worker = stage.work(Config { metrics: metrics.clone(), ..quick() }, doing);
    let ones = || ["C", "THIRD", "NEVER", "FATAL", "PANIC"].iter().map(|task| stage.results(task, 1)).sum::<usize>();
    eventually("8 results", || stage.results("OK", 3) + ones() == 8).await;
    worker.stop().await.expect("a clean end");

    let scrape = scrape(&metrics);
    let attempt = |outcome| ("attempts_total", [("kind", "do"), ("outcome", outcome)]);
    for ((name, labels), value) in [
        (attempt("completed"), 5.0),
        (attempt("retried"), 3.0),
        (attempt("failed"), 3.0),
        (attempt("cancelled"), 0.0),
        (attempt("lost"), 0.0),
        (("recordings_total", [("script", "settle"), ("answer", "recorded")]), 5.0),
        (("recordings_total", [("script", "retry"), ("answer", "recorded")]), 3.0),
        (("recordings_total", [("script", "bury"), ("answer", "recorded")]), 3.0),
        (("subtask_run_seconds_count", [("kind", "do"), ("outcome", "completed")]), 5.0),
        (("subtask_run_seconds_count", [("kind", "do"), ("outcome", "failed")]), 6.0),
        (("retries_total", [("kind", "do"), ("reason", "error")]), 3.0),
    ] {
        check(&scrape, &[(name, &labels, value)]);
    }
    check(
        &scrape,
        &[
            ("buried_total", &[("reason", "error")], 1.0),
            ("buried_total", &[("reason", "fatal")], 1.0),
            ("buried_total", &[("reason", "panic")], 1.0),
            ("settle_batch_items_sum", &[("script", "settle")], 5.0),
            ("reaped_total", &[("outcome", "returned")], 1.0),
            ("promoted_total", &[], 3.0),
            ("queue_wait_seconds_count", &[("kind", "do")], 11.0),
            ("running_subtasks", &[("kind", "do")], 0.0),
        ],
    );
    assert_eq!((scrape.total("millstream_recordings_total"), scrape.total("millstream_buried_total")), (11.0, 3.0));
    let waited = scrape.total("millstream_queue_wait_seconds_sum");
    assert!(waited > 0.0 && waited < 11.0 * 30.0, "what was submitted before the start has waited: {waited}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_is_counted_as_stale_and_a_cancel_as_dropped() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("Z", doings(1, Priority::Medium)).await;
    stage.submit("X", doings(1, Priority::Medium)).await;
    let metrics = Arc::new(WorkerMetrics::default());
    let worker = stage.work(Config { metrics: metrics.clone(), ..patient(4) }, watch.hold());
    eventually("both run", || watch.running() == 2).await;
    check(&scrape(&metrics), &[("running_subtasks", &[("kind", "do")], 2.0)]);
    stage.cancel("X").await;
    eventually("the cancelled one was stopped", || watch.running() == 1).await;
    let zombie = stage.pending().into_iter().map(|pending| pending.entry_id).min().expect("one of them");
    assert_eq!(stage.redis.command(&["XACK", STREAM, "workers", &zombie]).integer(), 1);
    watch.gate.cancel();
    eventually("both have ended", || watch.running() == 0).await;
    worker.stop().await.expect("a clean end");
    let of = |answer| [("script", "settle"), ("answer", answer)];
    check(
        &scrape(&metrics),
        &[
            ("recordings_total", &of("stale"), 1.0),
            ("recordings_total", &of("dropped"), 1.0),
            ("recordings_total", &of("recorded"), 0.0),
            ("attempts_total", &[("kind", "do"), ("outcome", "completed")], 1.0),
            ("attempts_total", &[("kind", "do"), ("outcome", "cancelled")], 1.0),
            ("running_subtasks", &[("kind", "do")], 0.0),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_and_lost_leases_are_counted() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    let metrics = Arc::new(WorkerMetrics::default());
    let worker = stage.work(Config { metrics: metrics.clone(), ..quick() }, watch.hold());
    let renewals = || scrape(&metrics).total("millstream_renewals_total");
    eventually("its lease was renewed", || renewals() >= 2.0).await;
    check(&scrape(&metrics), &[("leases_lost_total", &[("cause", "taken")], 0.0)]);
    let held = stage.pending().remove(0).entry_id;
    assert_eq!(stage.redis.command(&["XACK", STREAM, "workers", &held]).integer(), 1);
    eventually("it was stopped", || watch.running() == 0).await;
    worker.stop().await.expect("a clean end");
    check(
        &scrape(&metrics),
        &[
            ("leases_lost_total", &[("cause", "taken")], 1.0),
            ("leases_lost_total", &[("cause", "silence")], 0.0),
            ("attempts_total", &[("kind", "do"), ("outcome", "lost")], 1.0),
            ("recordings_total", &[("script", "settle"), ("answer", "recorded")], 0.0),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_without_a_handler_is_counted_as_parked_and_named_nowhere() {
    let stage = stage().await;
    stage.submit("T", vec![subtask("unknown", &json!({}))]).await;
    let metrics = Arc::new(WorkerMetrics::default());
    let worker = stage.work(Config { metrics: metrics.clone(), ..patient(1) }, handlers(|_| async { Ok(Value::Null) }));
    let parked = || scrape(&metrics).value("millstream_given_back_total", &[("cause", "parked")]);
    eventually("it was parked", || parked() >= Some(1.0)).await;
    worker.stop().await.expect("a clean end");
    assert!(!metrics.registry().text().contains("unknown"));
}
