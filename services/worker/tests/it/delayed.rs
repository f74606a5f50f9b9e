//! What waits for its time, or for a worker of its kind.

use crate::doing::{Watch, elsewhere};
use crate::stage::{doings, eventually, quick, stage, submission, subtask};
use proto_schemas::{Priority, SubtaskDefinition};
use redis_store::submit::{Start, Submission};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use worker::Config;

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_task_starts_not_before_its_time_and_within_a_second_of_it() {
    let (stage, watch) = (stage().await, Watch::default());
    let worker = stage.work(quick(), watch.note());
    stage.idle(1).await;
    for (task, delay_ms) in [("T", 300), ("U", 1_400), ("V", 2_050)] {
        let delay = Duration::from_millis(delay_ms);
        let submitted_at = Instant::now();
        let subtasks = doings(1, Priority::Medium);
        stage.submit_as(Submission { start: Start::After(delay), ..submission(task, subtasks) }).await;
        eventually("it has started", || {
            watch.stopped().len() == watch.started().len() && { watch.started().contains(&format!("{task}-0")) }
        })
        .await;
        let waited = *watch.stopped().last().expect("an end") - submitted_at;
        assert!(waited >= delay && waited < delay + Duration::from_millis(1_300), "{waited:?} for {delay:?}");
    }
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_without_memory_waits_for_it() {
    let (stage, watch) = (stage().await, Watch::default());
    let worker = stage.work(quick(), watch.note());
    let start = Start::After(Duration::from_millis(100));
    stage.submit_as(Submission { start, ..submission("T", doings(3, Priority::Medium)) }).await;
    stage.redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let full_since = Instant::now();
    eventually("two rounds have passed", || full_since.elapsed() > Duration::from_millis(2_500)).await;
    assert_eq!((watch.started().len(), stage.redis.command(&["ZCARD", "delayed"]).integer()), (0, 3));
    stage.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    eventually("3 results", || stage.results("T", 3) == 3).await;
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_kind_runs_when_a_worker_for_it_appears() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", vec![subtask("elsewhere", &json!({})), subtask("do", &json!({}))]).await;
    let stranger = stage.work(quick(), watch.note());
    eventually("it was parked and the other has run", || {
        stage.facts("parked").len() == 1 && stage.result("T-1").is_some()
    })
    .await;
    let come_back = Instant::now();
    eventually("it has come back more than once", || come_back.elapsed() > Duration::from_millis(2_500)).await;
    assert_eq!(
        (stage.facts("parked").len(), stage.entries("dead-letters").len()),
        (1, 0),
        "told of once, never dropped"
    );
    stranger.stop().await.expect("a clean end");

    // The same kind, now from the queue it was found in.
    struct Here;
    impl worker::Handler for Here {
        const KIND: &'static str = "elsewhere";
        type Input = Value;
        type Output = Value;
        async fn execute(&self, ctx: &worker::Context, _: Value) -> Result<Value, worker::HandlerError> {
            Ok(json!([ctx.attempt(), ctx.crashes()]))
        }
    }
    let knowing = stage.work(quick(), watch.note().with(Here));
    eventually("a result", || stage.result("T-0").is_some()).await;
    assert_eq!(stage.result("T-0").expect("a result")["output"], json!([1, 0]));
    knowing.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_says_which_kinds_it_serves_before_it_takes_any() {
    let (stage, watch) = (stage().await, Watch::default());
    let other = elsewhere(|_| async { Ok(Value::Null) });
    let kinds = vec!["elsewhere".parse().expect("a kind")];
    let worker = stage.work(Config { kinds, ..quick() }, watch.note().with(other));
    let mine = SubtaskDefinition { queue: "other".parse().expect("a queue"), ..subtask("elsewhere", &json!({})) };
    stage.submit("T", vec![mine]).await;
    eventually("a result", || stage.result("T-0").is_some()).await;
    let known = stage.store.known_kinds().await.expect("kinds");
    let now_ms = stage.store.now_ms().await.expect("a time");
    let names: Vec<_> = known.iter().map(|known| (known.kind.as_str(), known.queue.as_str())).collect();
    assert_eq!(names, [("elsewhere", "other")]);
    assert!(now_ms - known[0].seen_ms < 60_000);
    worker.stop().await.expect("a clean end");
}
