//! Ending the lives of tasks.

use crate::stage::{Stage, name, refuses_other_types, stage, task_id};
use redis_store::StoreError;
use redis_store::expire::Expired;
use std::time::Duration;

async fn expire(stage: &Stage) -> Result<Expired, StoreError> {
    stage.store.expire(&task_id("T")).await
}

/// A task that ended long ago, beside one that did not.
async fn past() -> Stage {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.submit("U", 1).await;
    stage.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", "T 0 0 completed 1 0 w 5"]);
    let events = stage.events().await;
    stage.store.fold(&name("p"), Duration::from_millis(10), &events).await.expect("counts");
    stage.raw(&["SET", "result:T-0", "stays", "EX", "1000"]);
    stage.raw(&["HSET", "plan:T", "a", "b"]);
    stage
}

#[tokio::test]
async fn a_task_past_its_life_goes_with_everything_but_its_results() {
    let stage = past().await;
    assert_eq!(stage.raw(&["ZSCORE", "lifetimes", "T"]).integer(), 15);
    assert_eq!(stage.store.past_lifetimes(14, 0, 9).await.unwrap(), []);
    assert_eq!(stage.store.past_lifetimes(15, 0, 9).await.unwrap(), [task_id("T")]);
    let before = stage.story();
    assert_eq!(expire(&stage).await.unwrap(), Expired::Removed);
    let gone = stage.since(&before);
    let keys: Vec<&str> = gone.iter().map(|line| line.split(": ").next().expect("a key")).collect();
    assert_eq!(keys[..5], ["- lifetimes", "- outcomes:T", "- plan:T", "- task:T", "- tasks"]);
    assert_eq!(keys[5..], ["- tasks:completed"]);
    let before = stage.exact();
    assert_eq!(expire(&stage).await.unwrap(), Expired::Removed, "twice is once");
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn what_is_no_task_hides_none_and_goes() {
    let stage = past().await;
    for stranger in [&b"two words"[..], b"\xff\x00", b""] {
        stage.raw(&[b"ZADD", &b"lifetimes"[..], b"1", stranger]);
    }
    assert_eq!(stage.store.past_lifetimes(15, 0, 3).await.unwrap(), [], "a page of strangers");
    assert_eq!(stage.store.past_lifetimes(15, 0, 3).await.unwrap(), [task_id("T")]);
    assert_eq!(stage.raw(&["ZCARD", "lifetimes"]).integer(), 2, "T and U");
}

#[tokio::test]
async fn a_task_that_has_not_ended_is_open_however_old() {
    let stage = past().await;
    stage.raw(&["ZADD", "lifetimes", "1", "T"]);
    for status in ["queued", "processing"] {
        stage.raw(&["HSET", "task:T", "status", status]);
        let before = stage.exact();
        assert_eq!(expire(&stage).await.unwrap(), Expired::Open);
        assert_eq!(stage.exact(), before);
    }
}

#[tokio::test]
async fn a_life_that_was_prolonged_is_early() {
    let stage = past().await;
    let now = stage.store.now_ms().await.unwrap();
    stage.raw(&["ZADD", "lifetimes", &(now + 60_000).to_string(), "T"]);
    let before = stage.exact();
    assert_eq!(expire(&stage).await.unwrap(), Expired::Early);
    assert_eq!(stage.exact(), before);
    stage.raw(&["ZADD", "lifetimes", &(now - 1).to_string(), "T"]);
    assert_eq!(expire(&stage).await.unwrap(), Expired::Removed);
}

#[tokio::test]
async fn a_fact_that_comes_after_the_end_of_a_life_brings_nothing_back() {
    let stage = past().await;
    expire(&stage).await.unwrap();
    assert_eq!(stage.fold(&["T 0 0 started 1 0 w 9\nT 0 0 completed 1 0 w 9"]).await.ignored, 2);
    assert_eq!(stage.raw(&["EXISTS", "task:T", "outcomes:T"]).integer(), 0);
}

#[tokio::test]
async fn without_memory_or_script_a_life_ends_all_the_same() {
    let stage = past().await;
    stage.raw(&["SCRIPT", "FLUSH"]);
    stage.out_of_memory();
    assert_eq!(expire(&stage).await.unwrap(), Expired::Removed);
    assert_eq!(stage.raw(&["ZCARD", "tasks"]).integer(), 1);
}

#[tokio::test]
async fn a_key_of_another_type_stops_it_before_its_first_write() {
    let stage = past().await;
    let indexes = ["queued", "processing", "completed", "failed", "cancelled"].map(|word| format!("tasks:{word}"));
    let mut keys: Vec<&str> = indexes.iter().map(String::as_str).collect();
    keys.extend(["task:T", "lifetimes", "tasks"]);
    refuses_other_types(&stage, &keys, async || expire(&stage).await.map(drop)).await;
    assert_eq!(stage.raw(&["EXISTS", "task:T"]).integer(), 0);
}
