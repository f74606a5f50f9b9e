//! FLOW-10: which kinds are accepted, and where their subtasks wait.

use crate::stage::{Stage, stage};
use proto_schemas::{Kind, QueueName};
use serde_json::json;

async fn announce(stage: &Stage, kind: &str, queue: &str, seen_ms: u64) {
    let (kind, queue) = (Kind::new(kind).expect("a kind"), QueueName::new(queue).expect("a queue"));
    stage.store.announce_kinds([(&kind, &queue)], seen_ms).await.expect("announced");
}

async fn now_ms(stage: &Stage) -> u64 {
    stage.store.now_ms().await.expect("a time")
}

#[tokio::test]
async fn a_kind_that_a_worker_announces_is_accepted_at_once_and_waits_in_its_queue() {
    let stage = stage().await;
    let body = r#"{"description":"d","subtasks":[{"description":"a","kind":"render"},{"description":"b"}]}"#;
    let before = stage.footprint();
    let refused = stage.post("/tasks", body).await.problem(422, "unknown_kind");
    assert_eq!(refused["errors"][0]["pointer"], "/subtasks/0/kind");
    assert_eq!(stage.footprint(), before);

    announce(&stage, "render", "gpu", now_ms(&stage).await).await;
    let id = stage.submit(body).await;
    let length = |stream| stage.redis.command(&["XLEN", stream]).integer();
    assert_eq!((length("subtasks:gpu:medium"), length("subtasks:default:medium")), (1, 1));
    assert_eq!(stage.task(&id).await["subtasks"][0]["kind"], "render");
    assert_eq!(stage.post("/assign-task", r#"{"task_type":"render"}"#).await.status, 200);
    assert_eq!(length("subtasks:gpu:medium"), 2);
}

#[tokio::test]
async fn a_kind_unseen_for_seven_days_is_refused() {
    let stage = stage().await;
    let week = 7 * 24 * 3_600 * 1_000;
    let now = now_ms(&stage).await;
    announce(&stage, "old", "default", now - week - 1_000).await;
    announce(&stage, "young", "default", now - week + 60_000).await;
    stage.post("/assign-task", r#"{"task_type":"old"}"#).await.problem(400, "unknown_kind");
    assert_eq!(stage.post("/assign-task", r#"{"task_type":"young"}"#).await.status, 200);
    let kinds = stage.get("/kinds").await.json();
    let named: Vec<&str> =
        kinds["kinds"].as_array().expect("a list").iter().filter_map(|it| it["kind"].as_str()).collect();
    assert_eq!(named, ["simulate", "test_task", "young"]);
}

#[tokio::test]
async fn the_list_of_kinds_says_where_they_wait_and_when_they_were_seen() {
    let stage = stage().await;
    announce(&stage, "render", "gpu", 1_795_000_000_000.max(now_ms(&stage).await)).await;
    announce(&stage, "simulate", "stolen", now_ms(&stage).await).await;
    let kinds = stage.get("/kinds").await.json();
    assert_eq!((&kinds["kinds"][0]["kind"], &kinds["kinds"][0]["queue"]), (&json!("render"), &json!("gpu")));
    assert!(kinds["kinds"][0]["last_seen"].as_str().is_some_and(|text| text.ends_with('Z')));
    assert_eq!(kinds["kinds"][1]["queue"], "default", "the queue of a built-in kind is not a worker's to change");
    assert!(kinds["kinds"][2].get("last_seen").is_none());
}

#[tokio::test]
async fn after_a_loss_of_all_data_a_kind_is_accepted_until_its_workers_say_so_again() {
    let stage = stage().await;
    announce(&stage, "render", "gpu", now_ms(&stage).await).await;
    let body = r#"{"description":"d","subtasks":[{"description":"s","kind":"render"}]}"#;
    stage.submit(body).await;
    stage.redis.command(&["FLUSHALL"]);
    let unknown = r#"{"description":"d","subtasks":[{"description":"s","kind":"rinder"}]}"#;
    assert_eq!(stage.post("/tasks", unknown).await.status, 422, "it asks, and Redis knows of none");
    stage.submit(body).await;
    assert_eq!(stage.redis.command(&["XLEN", "subtasks:gpu:medium"]).integer(), 1);
}
