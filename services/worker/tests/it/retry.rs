//! Another attempt: how many, when, and what does not count as one.

use crate::doing::{Watch, handlers};
use crate::stage::{doings, eventually, quick, slots, stage, subtask};
use proto_schemas::{Priority, SubtaskDefinition};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use worker::HandlerError;

const STREAM: &str = "subtasks:default:medium";

fn hasty(max_attempts: u32) -> SubtaskDefinition {
    SubtaskDefinition { max_attempts, backoff_base_ms: 10, ..subtask("do", &json!({})) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_always_fails_gets_exactly_its_attempts_and_then_a_dead_letter() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", vec![hasty(4)]).await;
    let noting = watch.clone();
    let failing = handlers(move |ctx| {
        noting.note_start(&ctx);
        async move { Err(HandlerError::Retryable(format!("attempt {} of {}", ctx.attempt(), ctx.max_attempts()))) }
    });
    let worker = stage.work(quick(), failing);
    eventually("a result", || stage.result("T-0").is_some()).await;
    worker.stop().await.expect("a clean end");
    assert_eq!(watch.started().len(), 4);
    let attempts = |fact| stage.facts(fact).iter().map(|words| words[4].clone()).collect::<Vec<_>>();
    assert_eq!(
        (attempts("retrying"), attempts("failed")),
        (vec!["2".into(), "3".into(), "4".into()], vec!["4".into()])
    );
    let result = stage.result("T-0").expect("a result");
    assert_eq!(result["error"], json!({"reason": "error", "message": "attempt 4 of 4"}));
    let letters = stage.entries("dead-letters");
    let history = letters[0].1.iter().position(|field| field.text() == "history").expect("a history") + 1;
    assert_eq!((letters.len(), letters[0].1[history].text().lines().count()), (1, 3));
    assert_eq!(stage.redis.command(&["EXISTS", "delayed", "delayed:body"]).integer(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_succeeds_after_others_is_the_outcome() {
    let stage = stage().await;
    stage.submit("T", (0..20).map(|_| hasty(5)).collect()).await;
    let third = handlers(|ctx| async move {
        if ctx.attempt() < 3 { Err(HandlerError::Retryable("not yet".to_owned())) } else { Ok(json!(ctx.attempt())) }
    });
    let worker = stage.work(quick(), third);
    eventually("20 results", || stage.results("T", 20) == 20).await;
    worker.stop().await.expect("a clean end");
    assert!((0..20).all(|n| stage.result(&format!("T-{n}")).expect("a result")["output"] == 3));
    assert_eq!((stage.facts("retrying").len(), stage.facts("completed").len(), stage.backlog()), (40, 20, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_attempt_can_mend_is_not_tried_again() {
    for large in [false, true] {
        let stage = stage().await;
        stage.submit("T", vec![hasty(5)]).await;
        let hopeless = handlers(move |_| async move {
            if large { Ok(json!("x".repeat(256 << 10))) } else { Err(HandlerError::Fatal("never".to_owned())) }
        });
        let worker = stage.work(quick(), hopeless);
        eventually("a result", || stage.result("T-0").is_some()).await;
        worker.stop().await.expect("a clean end");
        assert_eq!((stage.facts("retrying").len(), stage.facts("failed")[0][4].as_str()), (0, "1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_says_when_is_asked_again_then_and_not_before() {
    let (stage, starts) = (stage().await, Arc::new(Mutex::new(Vec::new())));
    stage.submit("T", vec![SubtaskDefinition { max_attempts: 6, ..subtask("do", &json!({})) }]).await;
    let noting = starts.clone();
    let pause = Duration::from_millis(150);
    let worker = stage.work(
        quick(),
        handlers(move |ctx| {
            noting.lock().expect("no panic").push(Instant::now());
            async move {
                if ctx.attempt() < 6 {
                    Err(HandlerError::RetryAfter(pause, "busy".to_owned()))
                } else {
                    Ok(Value::Null)
                }
            }
        }),
    );
    eventually("a result", || stage.result("T-0").is_some()).await;
    worker.stop().await.expect("a clean end");
    let starts = starts.lock().expect("no panic").clone();
    let waits: Vec<Duration> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() == 5 && waits.iter().all(|wait| *wait >= pause), "{waits:?}");
    let all: Duration = waits.iter().sum();
    assert!(all < Duration::from_secs(2), "rounds alone would take 5 s: {waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_does_not_consume_an_attempt() {
    let stage = stage().await;
    stage.submit("T", vec![hasty(1)]).await;
    stage.store.create_worker_groups(&proto_schemas::QueueName::default_queue()).await.expect("groups");
    let dead = ["XREADGROUP", "GROUP", "workers", "dead", "STREAMS", STREAM, ">"];
    assert_eq!(stage.redis.command(&dead).items().len(), 1);
    let worker = stage.work(slots(1), handlers(|ctx| async move { Ok(json!([ctx.attempt(), ctx.crashes()])) }));
    eventually("a result", || stage.result("T-0").is_some()).await;
    worker.stop().await.expect("a clean end");
    assert_eq!(stage.result("T-0").expect("a result")["output"], json!([1, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_end_has_its_place_in_a_batch() {
    let stage = stage().await;
    stage.submit("T", (0..300).map(|_| hasty(2)).collect()).await;
    let by_index = handlers(|ctx| async move {
        let index: usize = ctx.idempotency_key().as_str()[2..].parse().expect("an index");
        match (index % 3, ctx.attempt()) {
            (0, _) | (1, 2) => Ok(Value::Null),
            (1, _) => Err(HandlerError::Retryable("once more".to_owned())),
            _ => Err(HandlerError::Fatal("never".to_owned())),
        }
    });
    let worker = stage.work(quick(), by_index);
    eventually("300 results", || stage.results("T", 300) == 300).await;
    worker.stop().await.expect("a clean end");
    let count = |fact| stage.facts(fact).len();
    assert_eq!((count("completed"), count("retrying"), count("failed")), (200, 100, 100));
    assert_eq!((stage.entries("dead-letters").len(), stage.backlog(), stage.pending().len()), (100, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_outlives_the_worker_that_scheduled_it() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    let busy = |_| async { Err(HandlerError::RetryAfter(Duration::from_millis(400), "busy".to_owned())) };
    let first = stage.work(quick(), handlers(busy));
    eventually("it waits for its time", || stage.redis.command(&["ZCARD", "delayed"]).integer() == 1).await;
    first.stop().await.expect("a clean end");
    let second = stage.work(quick(), watch.note());
    eventually("a result", || stage.result("T-0").is_some()).await;
    second.stop().await.expect("a clean end");
}
