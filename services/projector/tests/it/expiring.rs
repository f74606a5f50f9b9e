//! The ends of lives.

use crate::stage::{SOON, Stage, config, definition, dependant, eventually, stage};
use projector::Config;
use proto_schemas::{FactKind, OnFailure, TaskStatus};
use std::time::Duration;

async fn until_gone(stage: &Stage, task: &str) {
    eventually(SOON, &format!("{task} is gone"), async || {
        (stage.command(&format!("EXISTS task:{task}")).integer() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_task_past_its_life_vanishes_with_outcomes_and_index_entries() {
    let stage = stage().await;
    stage.submit("keep", 1).await;
    stage.submit("T", 2).await;
    let kept = stage.fetch("w", 1).await;
    assert_eq!(kept.len(), 1);
    let fetched = stage.fetch("w", 2).await;
    stage.settle("w", &fetched, FactKind::Failed).await;
    let _running = stage.start(Config { task_ttl: Duration::from_millis(300), ..config("p") });
    until_gone(&stage, "T").await;
    assert_eq!(stage.command("EXISTS outcomes:T plan:T").integer(), 0);
    for index in ["tasks", "lifetimes", "tasks:queued", "tasks:processing", "tasks:failed", "tasks:completed"] {
        assert_eq!(stage.command(&format!("ZSCORE {index} T")).text(), "", "{index}");
    }
    assert_eq!(stage.task("keep").await.status, TaskStatus::Queued);
}

#[tokio::test]
async fn a_task_past_its_deadline_is_cancelled_with_what_waits_and_what_runs() {
    let stage = stage().await;
    let plan = vec![definition("a"), definition("b"), definition("c"), dependant("d", &[(0, OnFailure::FailFast)])];
    stage.submit_plan("T", plan).await;
    let fetched = stage.fetch("w", 2).await;
    stage.retry("w", &fetched[1..], Duration::from_secs(3_600)).await;
    stage.submit("later", 1).await;
    stage.command("ZADD lifetimes 1000 T");
    let _running = stage.start(config("p"));
    let task = stage.until("T", TaskStatus::Cancelled).await;
    assert_eq!((task.cancelled, task.total), (4, 4));
    let record = stage.command("HGET outcomes:T 3").text();
    assert!(record.starts_with("cancelled 0 0 ") && record.ends_with(" deadline"), "{record}");
    assert_eq!(stage.command("EXISTS plan:T delayed delayed:body").integer(), 0);
    assert_ne!(stage.command("ZSCORE cancelled T").text(), "", "workers are told");
    assert_eq!(stage.task("later").await.status, TaskStatus::Queued);
    stage.until_folded().await;
    let report = projector::audit(&stage.store, Duration::ZERO).await.expect("a report");
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn many_deadlines_at_once_and_a_broken_task_hold_up_no_other() {
    let stage = stage().await;
    for no in 0..150 {
        stage.submit(&format!("open{no}"), 1).await;
        stage.command(&format!("ZADD lifetimes {no} open{no}"));
    }
    stage.command("SET task:broken nonsense");
    stage.command("ZADD lifetimes 1 broken");
    stage.command("HSET task:strange status processing");
    stage.command("ZADD lifetimes 2 strange");
    stage.submit("T", 1).await;
    stage.command("HSET task:T status completed");
    stage.command("ZADD lifetimes 1000 T");
    let _running = stage.start(config("p"));
    until_gone(&stage, "T").await;
    stage.until("open149", TaskStatus::Cancelled).await;
    assert_eq!(stage.command("ZCOUNT lifetimes -inf 2000").integer(), 2, "what is broken stays for a person");
    // The walk starts again from the oldest.
    stage.command("SET task:broken nonsense");
    stage.command("HSET task:strange status completed");
    until_gone(&stage, "strange").await;
}

#[tokio::test]
async fn thousands_past_their_life_do_not_take_a_second_for_each_hundred() {
    let stage = stage().await;
    let many = "for i = 1, 3000 do redis.call('HSET', 'task:t' .. i, 'status', 'completed') \
                redis.call('ZADD', 'lifetimes', i, 't' .. i) end";
    stage.words(&["EVAL", many, "0"]);
    let started = std::time::Instant::now();
    let _running = stage.start(config("p"));
    eventually(SOON * 4, "all of them are gone", async || {
        (stage.command("ZCARD lifetimes").integer() == 0).then_some(())
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(20), "30 s with a pause after each page: {:?}", started.elapsed());
}

#[tokio::test]
async fn hints_that_nobody_needs_and_kinds_that_nobody_announces_are_forgotten() {
    let stage = stage().await;
    let now_ms = stage.store.now_ms().await.expect("the time");
    let week_ms = 7 * 24 * 3_600 * 1_000;
    stage.command("ZADD cancelled 1000 old");
    stage.command(&format!("ZADD cancelled {} new", now_ms + 3_600_000));
    stage.words(&["HSET", "kinds", "old", &format!("default {}", now_ms - week_ms - 60_000)]);
    stage.words(&["HSET", "kinds", "new", &format!("default {}", now_ms - week_ms + 60_000)]);
    let _running = stage.start(config("p"));
    eventually(SOON, "the old ones are forgotten", async || {
        let left = (stage.command("ZCARD cancelled").integer(), stage.command("HLEN kinds").integer());
        (left == (1, 1)).then_some(())
    })
    .await;
    assert_ne!(stage.command("ZSCORE cancelled new").text(), "");
    assert_ne!(stage.command("HGET kinds new").text(), "");
}
