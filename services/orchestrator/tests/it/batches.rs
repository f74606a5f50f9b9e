//! TASK-18: several tasks in one request, each accepted or refused for itself.

use crate::stage::stage;
use serde_json::{Value, json};

async fn post(stage: &crate::stage::Stage, tasks: Value) -> Value {
    let answer = stage.post("/tasks/batch", json!({ "tasks": tasks }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn each_task_of_a_batch_is_accepted_or_refused_by_its_place() {
    let stage = stage().await;
    let answer = post(
        &stage,
        json!([
            { "description": "first" },
            { "description": "second", "priority": -1, "c4n4ry": 1 },
            "c4n4ry",
            { "description": "fourth", "subtasks": [{ "description": "x", "kind": "c4n4ry" }] },
            { "description": "fifth", "subtasks": [{ "description": "x" }] },
        ]),
    )
    .await;
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2), &json!(3)));
    let tasks = answer["tasks"].as_array().expect("a list");
    assert_eq!(tasks.iter().map(|it| it["status"].as_u64().unwrap()).collect::<Vec<_>>(), [202, 400, 400, 422, 202]);
    let pointers = |place: usize| -> Vec<&str> {
        let errors = tasks[place]["problem"]["errors"].as_array().expect("a list");
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
    };
    assert_eq!(pointers(1), ["/priority", "/c4n4ry"], "as if it had been sent alone");
    assert_eq!((pointers(2), pointers(3)), (vec![""], vec!["/subtasks/0/kind"]));
    assert_eq!(tasks[3]["problem"]["code"], "unknown_kind");
    for (place, description) in [(0, "first"), (4, "fifth")] {
        let id = tasks[place]["task_id"].as_str().expect("an id");
        assert_eq!(stage.task(id).await["description"], description);
    }
    assert_eq!(stage.redis.command(&["ZCARD", "tasks"]).integer(), 2);
}

#[tokio::test]
async fn a_thousand_tasks_are_stored_in_the_order_of_their_places() {
    let stage = stage().await;
    let task = |at: usize| json!({ "description": format!("task {at}"), "subtasks": [{ "description": "x" }] });
    let answer = post(&stage, (0..1_000).map(task).collect()).await;
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(1_000), &json!(0)));
    for place in [0, 1, 500, 999] {
        let id = answer["tasks"][place]["task_id"].as_str().expect("an id");
        assert_eq!(stage.hash_field(id, "description"), format!("task {place}"));
    }
    assert_eq!(stage.redis.command(&["XLEN", "subtasks:default:medium"]).integer(), 1_000);
}

#[tokio::test]
async fn a_batch_that_is_sent_again_under_its_key_answers_the_same_tasks_and_stores_what_was_missing() {
    let stage = stage().await;
    let body =
        json!({ "tasks": [{ "description": "a" }, { "description": "b", "priority": -1 }, { "description": "c" }] });
    let first = stage.post_with_key("/tasks/batch", "k", &body.to_string()).await.json();
    let before = stage.footprint();
    let again = stage.post_with_key("/tasks/batch", "k", &body.to_string()).await.json();
    assert_eq!(stage.footprint(), before);
    for place in [0, 2] {
        assert!(first["tasks"][place]["task_id"].is_string());
        assert_eq!(first["tasks"][place], again["tasks"][place]);
    }
    let id = first["tasks"][2]["task_id"].as_str().expect("an id");
    let keys = stage.redis.command(&["KEYS", "idempotency:*"]);
    let of_last = keys.items().iter().map(system_tests::redis::Reply::text).find(|key| key.ends_with("\t2"));
    stage.redis.command(&["DEL", &of_last.expect("a key of its own for each place")]);
    let third = stage.post_with_key("/tasks/batch", "k", &body.to_string()).await.json();
    assert_eq!(third["tasks"][0], first["tasks"][0]);
    assert_ne!(third["tasks"][2]["task_id"], id);
    let before = stage.footprint();
    let other = json!({ "tasks": [{ "description": "b" }, { "description": "other" }] });
    stage.post_with_key("/tasks/batch", "k", &other.to_string()).await.problem(422, "idempotency_key_reused");
    stage.post_with_key("/tasks", "k", r#"{"description":"a"}"#).await.problem(422, "idempotency_key_reused");
    assert_eq!(stage.footprint(), before, "also where a place of the first one was refused");
}

#[tokio::test]
async fn what_is_no_batch_is_refused_whole() {
    let stage = stage().await;
    let before = stage.footprint();
    let many = json!({ "tasks": vec![json!({ "description": "d" }); 1_001] }).to_string();
    for (body, status, code) in [
        ("{}".to_owned(), 400, "invalid_request"),
        (r#"{"tasks":{}}"#.to_owned(), 400, "invalid_request"),
        (r#"{"tasks":[],"more":1}"#.to_owned(), 400, "invalid_request"),
        (r#"{"tasks":[{"description":"d"}],"more":1}"#.to_owned(), 400, "invalid_request"),
        (r#"{"tasks":[{"description":"d","description":"e"}]}"#.to_owned(), 400, "invalid_request"),
        (r#"{"tasks":[]}"#.to_owned(), 422, "rule_violated"),
        (many, 422, "rule_violated"),
    ] {
        stage.post("/tasks/batch", body).await.problem(status, code);
    }
    stage.get("/tasks/batch").await.problem(405, "method_not_allowed");
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn without_redis_a_batch_is_answered_once_and_for_all() {
    let mut stage = stage().await;
    stage.redis.kill();
    let tasks = vec![json!({ "description": "d" }); 100];
    stage.post("/tasks/batch", json!({ "tasks": tasks }).to_string()).await.problem(503, "redis_unavailable");
}
