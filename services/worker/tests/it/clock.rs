//! Deadlines are times of Redis' clock, which may be turned between two looks at it: whoever is to begin or to end for
//! a deadline looks again.

use crate::doing::{Watch, handlers};
use crate::stage::{Stage, doings, eventually, patient, slots, stage_on, submission, subtask};
use proto_schemas::{Priority, SubtaskDefinition};
use redis_store::submit::Submission;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use system_tests::redis::PrivateRedis;

const HOUR_MS: i64 = 3_600_000;

async fn turnable() -> Stage {
    stage_on(PrivateRedis::start_turnable().expect("a redis whose clock can be turned")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_clock_went_back_what_has_time_left_begins() {
    let (stage, watch) = (turnable().await, Watch::default());
    let worker = stage.work(slots(1), watch.hold());
    stage.idle(1).await;
    stage.redis.turn_clock(-HOUR_MS);
    let deadline = Some(Duration::from_secs(600));
    stage.submit_as(Submission { deadline, ..submission("T", doings(1, Priority::Medium)) }).await;
    eventually("it begins", || watch.started().len() == 1 || !stage.facts("cancelled").is_empty()).await;
    watch.gate.cancel();
    eventually("a result", || stage.result("T-0").is_some()).await;
    assert_eq!(stage.result("T-0").expect("a result")["status"], "completed");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_clock_went_back_what_runs_has_until_its_timeout() {
    let stage = turnable().await;
    let started = Arc::new(AtomicUsize::new(0));
    let counting = started.clone();
    let worker = stage.work(
        patient(1),
        handlers(move |_| {
            counting.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        }),
    );
    stage.idle(1).await;
    let slow = SubtaskDefinition { timeout_ms: 1_500, max_attempts: 1, ..subtask("do", &json!({})) };
    let deadline = Some(Duration::from_millis(1_000));
    stage.submit_as(Submission { deadline, ..submission("T", vec![slow]) }).await;
    eventually("it runs", || started.load(Ordering::SeqCst) == 1).await;
    stage.redis.turn_clock(-HOUR_MS);
    eventually("it has ended", || stage.result("T-0").is_some()).await;
    let result = stage.result("T-0").expect("a result");
    assert_eq!((result["status"].as_str(), result["error"]["reason"].as_str()), (Some("failed"), Some("timeout")));
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_clock_went_forth_what_has_no_time_left_does_not_begin() {
    let (stage, watch) = (turnable().await, Watch::default());
    let worker = stage.work(slots(1), watch.hold());
    stage.submit("A", doings(1, Priority::Medium)).await;
    eventually("the slot is taken", || watch.started().len() == 1).await;
    let deadline = Some(Duration::from_secs(600));
    stage.submit_as(Submission { deadline, ..submission("T", doings(1, Priority::Medium)) }).await;
    stage.redis.turn_clock(HOUR_MS);
    watch.gate.cancel();
    eventually("it has ended", || stage.result("T-0").is_some()).await;
    let result = stage.result("T-0").expect("a result");
    assert_eq!((result["status"].as_str(), result["error"]["reason"].as_str()), (Some("cancelled"), Some("deadline")));
    assert_eq!(watch.started(), ["A-0"]);
    worker.stop().await.expect("a clean end");
}
