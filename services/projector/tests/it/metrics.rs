//! What a projector counts is what it has done.

use crate::stage::{MEDIUM, SOON, config, eventually, fact, name, stage};
use projector::{Config, ProjectorMetrics};
use proto_schemas::{FactKind, TaskStatus};
use std::sync::Arc;
use std::time::Duration;
use system_tests::scrape::Scrape;

fn counted(name: &str) -> (Arc<ProjectorMetrics>, Config) {
    let metrics = Arc::new(ProjectorMetrics::default());
    (metrics.clone(), Config { metrics, ..config(name) })
}

fn scrape(metrics: &ProjectorMetrics) -> Scrape {
    Scrape::parse(&metrics.registry().text()).expect("a sound text")
}

/// Facts by what they did: counted, progressed, duplicate, ignored.
fn folded(scrape: &Scrape) -> [f64; 4] {
    let of = |answer| scrape.value("millstream_folded_facts_total", &[("answer", answer)]).expect("a series");
    ["counted", "progressed", "duplicate", "ignored"].map(of)
}

/// Ends of tasks, counted and timed.
fn ended(scrape: &Scrape, word: &str) -> Option<(f64, f64)> {
    let count = scrape.value("millstream_tasks_ended_total", &[("kind", "simulate"), ("status", word)])?;
    let labels = [("kind", "simulate"), ("status", word)];
    Some((count, scrape.value("millstream_task_duration_seconds_count", &labels)?))
}

#[tokio::test]
async fn facts_are_counted_by_what_they_did() {
    let stage = stage().await;
    stage.submit("T", 3).await;
    let fetched = stage.fetch("w", 3).await;
    stage.store.start(&name("w"), &[fact("T", 0, "w", FactKind::Started)]).await.expect("started");
    stage.store.start(&name("w"), &[fact("nobody", 0, "w", FactKind::Started)]).await.expect("started");
    stage.settle("w", &fetched, FactKind::Completed).await;
    let (metrics, config) = counted("p");
    let running = stage.start(Config { claim_idle: SOON, ..config }); // nothing is folded twice
    stage.until("T", TaskStatus::Completed).await;
    stage.until_folded().await;
    let late = stage.store.start(&name("w"), &[fact("T", 1, "w", FactKind::Started)]).await;
    late.expect("a fact of what has ended");
    stage.until_folded().await;
    running.stop().await;
    let scrape = scrape(&metrics);
    assert_eq!(folded(&scrape), [3.0, 1.0, 1.0, 1.0]);
    assert_eq!(ended(&scrape, "completed"), Some((1.0, 1.0)), "once, and timed");
    assert_eq!(scrape.value("millstream_fold_batch_facts_sum", &[]), Some(7.0), "with the one that says created");
    let calls = scrape.value("millstream_fold_seconds_count", &[]).expect("a histogram");
    assert!((2.0..=7.0).contains(&calls), "{calls}");
    assert_eq!(scrape.value("millstream_poisoned_events_total", &[]), Some(0.0));
}

#[tokio::test]
async fn what_another_left_and_what_cannot_be_folded_is_counted() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.complete_all().await;
    let read = stage.store.read_events(&name("dead"), 10, Duration::from_millis(100)).await.expect("entries");
    assert_eq!(read.len(), 2);
    let (metrics, config) = counted("p");
    let running = stage.start(config);
    stage.until("T", TaskStatus::Completed).await;
    stage.until_folded().await;
    assert!(scrape(&metrics).value("millstream_claimed_events_total", &[]) >= Some(2.0));
    stage.submit("B", 1).await;
    stage.until_folded().await;
    stage.command("RENAME task:B saved");
    stage.command("SET task:B nonsense");
    stage.complete_all().await;
    let poisoned = async || scrape(&metrics).value("millstream_poisoned_events_total", &[]).filter(|&it| it >= 1.0);
    eventually(SOON, "it is poison", poisoned).await;
    stage.command("RENAME saved task:B");
    stage.until_folded().await;
    running.stop().await;
}

#[tokio::test]
async fn ends_trims_and_broken_laws_are_counted() {
    let stage = stage().await;
    for task in ["LATE", "OVER", "BROKEN"] {
        stage.submit(task, 1).await;
    }
    let fetched = stage.fetch("w", 2).await;
    stage.settle("w", &fetched[1..], FactKind::Completed).await;
    stage.fold().await;
    stage.command("ZADD lifetimes 1000 LATE 1000 OVER");
    let (metrics, config) = counted("p");
    let (events_retention, sweep_every) = (Duration::ZERO, Duration::from_millis(50));
    let running = stage.start(Config { events_retention, sweep_every, ..config });
    let ends = |outcome| scrape(&metrics).value("millstream_expired_tasks_total", &[("outcome", outcome)]);
    eventually(SOON, "one is cancelled, the other removed", async || {
        (ends("cancelled") == Some(1.0) && ends("removed") == Some(1.0)).then_some(())
    })
    .await;
    assert_eq!(ended(&scrape(&metrics), "cancelled"), Some((1.0, 1.0)), "by its deadline");
    let violations = || scrape(&metrics).value("millstream_audit_violations", &[]);
    assert_eq!(violations(), Some(0.0));
    let entry_id = stage.command(&format!("XREVRANGE {MEDIUM} + - COUNT 1")).items()[0].items()[0].text();
    stage.command(&format!("XDEL {MEDIUM} {entry_id}"));
    eventually(SOON, "the broken law is seen", async || violations().filter(|count| *count >= 1.0)).await;
    for _ in 0..200 {
        stage.store.start(&name("w"), &[fact("BROKEN", 0, "w", FactKind::Started)]).await.expect("a fact");
    }
    let trimmed = async || scrape(&metrics).value("millstream_trimmed_events_total", &[]).filter(|&it| it > 0.0);
    eventually(SOON, "the log is trimmed", trimmed).await;
    running.stop().await;
}
