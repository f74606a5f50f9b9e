//! The end of a worker that still has work.

use crate::doing::{Watch, handlers};
use crate::stage::{doings, eventually, patient, slots, stage};
use proto_schemas::Priority;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use worker::Config;

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_end_within_the_grace_time_are_recorded() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(30, Priority::Medium)).await;
    let worker = stage.work(patient(64), watch.take(Duration::from_millis(500)));
    eventually("30 attempts have begun", || watch.started().len() == 30).await;
    assert!(watch.running() > 0);
    worker.stop().await.expect("a clean end");
    assert_eq!((stage.results("T", 30), stage.backlog()), (30, 0));
    assert!(stage.pending().is_empty() && stage.consumers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_keeps_no_neighbour_from_being_handed_back() {
    let (stage, watch) = (stage().await, Watch::default());
    for task in ["T", "U"] {
        stage.submit(task, doings(1, Priority::Medium)).await;
    }
    let worker = stage.work(Config { grace: Duration::from_millis(100), ..patient(2) }, watch.hold());
    eventually("2 attempts", || watch.running() == 2).await;
    stage.redis.command(&["DEL", "outcomes:T"]);
    stage.redis.command(&["SET", "outcomes:T", "a person was here"]);
    worker.stop().await.expect("a clean end");
    let returned = stage.facts("returned");
    assert_eq!((returned.len(), returned[0][0].as_str(), stage.pending().len()), (1, "U", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_do_not_end_are_handed_back_uncounted_and_completed_by_another() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(3, Priority::Medium)).await;
    let worker = stage.work(Config { grace: Duration::from_millis(100), ..patient(2) }, watch.hold());
    eventually("2 attempts", || watch.running() == 2).await;
    worker.stop().await.expect("a clean end");
    assert_eq!((watch.running(), stage.pending().len(), stage.backlog()), (0, 0, 3));
    assert_eq!((stage.facts("returned").len(), stage.facts("crashed").len()), (2, 0));
    for (_, fields) in stage.entries("subtasks:default:medium") {
        let field = |name| fields[fields.iter().position(|field| field.text() == name).expect("a field") + 1].text();
        assert_eq!((field("attempt").as_str(), field("crashes").as_str()), ("1", "0"));
    }
    let second = stage.work(patient(2), Watch::default().note());
    eventually("3 results", || stage.results("T", 3) == 3).await;
    second.stop().await.expect("a clean end");
    assert_eq!((stage.pending().len(), stage.backlog()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_worker_takes_nothing_new() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    let worker = stage.work(patient(1), watch.hold());
    eventually("an attempt in its only slot", || watch.running() == 1).await;
    stage.submit("U", doings(1, Priority::Medium)).await;
    worker.shutdown.cancel();
    watch.gate.cancel(); // now the slot is free, and there is work, and no right to take it
    worker.ended().await.expect("a clean end");
    assert_eq!((stage.results("T", 1), watch.started().len(), stage.backlog()), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_does_not_keep_a_worker_from_its_end() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(4, Priority::Medium)).await;
    let worker = stage.work(Config { grace: Duration::from_millis(100), ..slots(2) }, watch.hold());
    eventually("2 attempts", || watch.running() == 2).await;
    stage.signal("-STOP");
    let told_at = Instant::now();
    worker.stop().await.expect("an end");
    let took = told_at.elapsed();
    stage.signal("-CONT");
    assert!(took < Duration::from_secs(9) && watch.running() == 0, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_hears_that_it_has_to_stop() {
    let (stage, heard) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    let gate = heard.gate.clone();
    let told = handlers(move |ctx| {
        let (cancelled, gate) = (ctx.cancelled().clone(), gate.clone());
        tokio::spawn(async move {
            cancelled.cancelled().await;
            gate.cancel();
        });
        async {
            std::future::pending::<()>().await;
            Ok::<Value, worker::HandlerError>(json!(null))
        }
    });
    let worker = stage.work(Config { grace: Duration::ZERO, ..patient(1) }, told);
    eventually("it runs", || !stage.pending().is_empty()).await;
    worker.stop().await.expect("a clean end");
    eventually("it has heard", || heard.gate.is_cancelled()).await;
}
