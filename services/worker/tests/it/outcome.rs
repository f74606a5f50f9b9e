//! Every way in which an attempt can end, and how it is recorded.

use crate::doing::{Watch, handlers};
use crate::stage::{doings, eventually, patient, quick, slots, stage, subtask};
use proto_schemas::{Priority, SubtaskDefinition};
use serde_json::{Value, json};
use std::time::Duration;
use system_tests::redis::Reply;
use worker::HandlerError;

/// Runs one subtask of kind `do`, which has one attempt, to its failure; answers its reason and message.
async fn failure<F, R>(timeout_ms: u64, doing: F) -> (String, String)
where
    F: Fn(worker::Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, HandlerError>> + Send + 'static,
{
    let stage = stage().await;
    stage.submit("T", vec![SubtaskDefinition { timeout_ms, max_attempts: 1, ..subtask("do", &json!({})) }]).await;
    let worker = stage.work(quick(), handlers(doing));
    eventually("a result", || stage.result("T-0").is_some()).await;
    let result = stage.result("T-0").expect("a result");
    assert_eq!((result["status"].as_str(), result.get("output")), (Some("failed"), None));
    let facts = stage.facts("failed");
    assert_eq!((facts.len(), facts[0][8].as_str()), (1, result["error"]["reason"].as_str().expect("a reason")));
    let letters = stage.entries("dead-letters");
    let texts: Vec<String> = letters[0].1[..4].iter().map(Reply::text).collect();
    let error = result["error"]["message"].as_str().expect("a message");
    assert_eq!(
        (letters.len(), texts),
        (1, vec!["reason".to_owned(), facts[0][8].clone(), "error".to_owned(), error.to_owned()])
    );
    assert_eq!((stage.backlog(), stage.pending().len()), (0, 0));
    worker.stop().await.expect("a clean end");
    let text = |name: &str| result["error"][name].as_str().expect("text").to_owned();
    (text("reason"), text("message"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_takes_too_long_is_stopped() {
    let pending = |_| std::future::pending();
    assert_eq!(failure(150, pending).await, ("timeout".to_owned(), "no answer within 0.15 s".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_its_subtask_and_nothing_else() {
    let panicking = |_| async { panic!("a bug") };
    assert_eq!(failure(60_000, panicking).await, ("panic".to_owned(), "the handler panicked".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_says_is_kept_and_cut_at_1024_characters() {
    let fatal = |_| async { Err(HandlerError::Fatal("no such thing".to_owned())) };
    assert_eq!(failure(60_000, fatal).await, ("fatal".to_owned(), "no such thing".to_owned()));
    let verbose = |_| async { Err(HandlerError::Retryable("ü".repeat(2_000))) };
    assert_eq!(failure(60_000, verbose).await, ("error".to_owned(), "ü".repeat(1_024)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_too_large_is_not_stored() {
    let large = |_| async { Ok(json!("x".repeat(256 << 10))) };
    let (reason, message) = failure(60_000, large).await;
    assert_eq!((reason.as_str(), message.as_str()), ("result_too_large", "the output exceeds 262144 bytes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_while_it_is_stopped_has_timed_out_and_costs_no_slot() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "a bug in a drop");
        }
    }
    let stage = stage().await;
    let hasty = SubtaskDefinition { timeout_ms: 50, backoff_base_ms: 1, ..subtask("do", &json!({})) };
    stage.submit("T", vec![hasty]).await;
    stage.submit("U", doings(1, Priority::Low)).await;
    let worker = stage.work(
        slots(1),
        handlers(|ctx| async move {
            let is_armed = ctx.idempotency_key().as_str() == "T-0" && ctx.attempt() == 1;
            let _bomb = Bomb(is_armed);
            if is_armed {
                std::future::pending::<()>().await;
            }
            Ok(Value::Null)
        }),
    );
    eventually("both results", || stage.results("T", 1) + stage.results("U", 1) == 2).await;
    assert_eq!((stage.facts("retrying")[0][8].as_str(), stage.facts("crashed").len()), ("timeout", 0));
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_attempts_that_take_a_while_are_told_of_when_they_start() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(20, Priority::Medium)).await;
    let worker = stage.work(slots(8), watch.note());
    eventually("20 results", || stage.results("T", 20) == 20).await;
    worker.stop().await.expect("a clean end");
    assert!(stage.facts("started").is_empty());

    stage.submit("U", doings(2, Priority::Medium)).await;
    let worker = stage.work(slots(8), watch.hold());
    eventually("both are told of", || stage.facts("started").len() == 2).await;
    watch.gate.cancel();
    eventually("2 results", || stage.results("U", 2) == 2).await;
    worker.stop().await.expect("a clean end");
    assert_eq!(stage.facts("started").len(), 2, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_many_outcomes_share_an_event_entry() {
    let (stage, watch) = (stage().await, Watch::default());
    for task in ["T", "U"] {
        stage.submit(task, doings(1_000, Priority::Medium)).await;
    }
    let worker = stage.work(patient(64), watch.note());
    eventually("2,000 results", || stage.results("T", 1_000) + stage.results("U", 1_000) == 2_000).await;
    worker.stop().await.expect("a clean end");
    let entries = stage.entries("events").len();
    assert_eq!(stage.facts("completed").len(), 2_000);
    assert!(entries < 500, "{entries} event entries for 2,000 outcomes");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_load_an_outcome_goes_out_at_once() {
    let (stage, watch) = (stage().await, Watch::default());
    let worker = stage.work(patient(64), watch.note());
    let mut waits = Vec::new();
    for n in 0..5 {
        stage.submit(&format!("T{n}"), doings(1, Priority::Medium)).await;
        eventually("a result", || stage.results(&format!("T{n}"), 1) == 1).await;
        waits.push(watch.stopped()[n].elapsed());
    }
    waits.sort();
    assert!(waits[2] < Duration::from_millis(200), "from the end of a handler to its result: {waits:?}");
    let entries = stage.entries("events").len();
    assert_eq!((entries, stage.facts("completed").len()), (10, 5), "one for each submit, one for each outcome");
    worker.stop().await.expect("a clean end");
}
