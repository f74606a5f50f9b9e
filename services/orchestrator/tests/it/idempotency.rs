//! TASK-11: the client's own key for a request.

use crate::stage::{Stage, config, stage, stage_on};
use futures::future::join_all;
use orchestrator::Config;
use serde_json::json;
use std::collections::BTreeSet;
use system_tests::redis::PrivateRedis;

const BODY: &str = r#"{"description":"once","subtasks":[{"description":"a"}]}"#;

fn tasks(stage: &Stage) -> i64 {
    stage.redis.command(&["ZCARD", "tasks"]).integer()
}

#[tokio::test]
async fn the_same_request_answers_the_same_document_whatever_became_of_the_task() {
    let stage = stage().await;
    let body = r#"{"description":"once","delay_seconds":60,"context":{"n":1.0}}"#;
    let first = stage.post_with_key("/tasks", "\"a key\"", body).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (202, ""));
    let id = first.json()["task_id"].as_str().expect("an id").to_owned();
    stage.post(&format!("/tasks/{id}/cancel"), "").await;
    let again = stage.post_with_key("/tasks", "\"a key\"", body).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (202, "true"));
    assert_eq!(again.text, first.text);
    for header in ["location", "etag"] {
        assert_eq!(again.header(header), first.header(header));
    }
    assert_eq!(tasks(&stage), 1);
    let bare = stage.post_with_key("/tasks", "k1", BODY).await.json();
    assert_eq!(stage.post_with_key("/tasks", "\"k1\"", BODY).await.json(), bare, "a token is the same key");
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused_and_stores_nothing() {
    let stage = stage().await;
    assert_eq!(stage.post_with_key("/tasks", "k", BODY).await.status, 202);
    let before = stage.footprint();
    let other = BODY.replace("once", "twice");
    stage.post_with_key("/tasks", "k", &other).await.problem(422, "idempotency_key_reused");
    stage.post_with_key("/tasks", "k", &format!("{BODY} ")).await.problem(422, "idempotency_key_reused");
    let typed = r#"{"task_type":"test_task"}"#;
    stage.post_with_key("/assign-task", "k", typed).await.problem(422, "idempotency_key_reused");
    assert_eq!(stage.footprint(), before);
    assert_eq!(stage.post_with_key("/tasks", "k2", &other).await.status, 202);
}

#[tokio::test]
async fn fifty_at_once_with_one_key_are_one_task() {
    let stage = stage().await;
    let answers = join_all((0..50).map(|_| stage.post_with_key("/tasks", "k", BODY))).await;
    let ids: BTreeSet<String> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 202, "{}", answer.text);
            answer.json()["task_id"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!((ids.len(), tasks(&stage)), (1, 1));
    assert_eq!(stage.redis.command(&["XLEN", "subtasks:default:medium"]).integer(), 1);
    let created = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_empty()).count();
    assert_eq!(created, 1, "all others say that it was there");
}

#[tokio::test]
async fn the_typed_door_takes_keys_too_with_and_without_the_slash() {
    let stage = stage().await;
    let body = r#"{"task_type":"test_task"}"#;
    let first = stage.post_with_key("/assign-task/", "k", body).await;
    let again = stage.post_with_key("/assign-task", "k", body).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, "true"));
    assert_eq!(again.json()["task_id"], first.json()["task_id"]);
    assert_eq!(tasks(&stage), 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_before_anything_else() {
    let stage = stage().await;
    let before = stage.footprint();
    let long = "x".repeat(10_000);
    for key in ["", "\"\"", "\"open", "two words", "a,b", "\"a\";x=1", "\"ü\"", &long] {
        let answer = stage.post_with_key("/tasks", key, BODY).await;
        answer.problem(400, "idempotency_key_invalid");
    }
    let twice = &[("content-type", "application/json"), ("idempotency-key", "a"), ("idempotency-key", "a")];
    stage.send("POST", "/tasks", twice, BODY.into()).await.problem(400, "idempotency_key_invalid");
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn a_key_whose_task_has_expired_says_so_instead_of_naming_a_task_that_is_not_there() {
    let stage = stage().await;
    let id = stage.post_with_key("/tasks", "k", BODY).await.json()["task_id"].as_str().expect("an id").to_owned();
    stage.redis.command(&["DEL", &format!("task:{id}")]);
    let before = stage.footprint();
    stage.post_with_key("/tasks", "k", BODY).await.problem(409, "idempotency_task_gone");
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let redis = PrivateRedis::start().expect("a redis");
    let stage = stage_on(redis, Config { backlog_max: 1, ..config() }).await;
    let two = r#"{"description":"d","subtasks":[{"description":"a"},{"description":"b"}]}"#;
    stage.post_with_key("/tasks", "k", two).await.problem(429, "overloaded");
    stage.post_with_key("/tasks", "k", r#"{"description":""}"#).await.problem(400, "invalid_request");
    let answer = stage.post_with_key("/tasks", "k", BODY).await;
    assert_eq!((answer.status, &answer.json()["total"]), (202, &json!(1)), "{}", answer.text);
}
