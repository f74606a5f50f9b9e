//! TASK-1, TASK-5, TASK-6 and TASK-8: a task comes in and is read.

use crate::stage::{Answer, Stage, config, stage, stage_on};
use orchestrator::Config;
use proto_schemas::FactKind;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use system_tests::redis::PrivateRedis;

pub fn descriptions(task: &Value) -> Vec<&str> {
    task["subtasks"].as_array().expect("a list").iter().map(|it| it["description"].as_str().expect("text")).collect()
}

#[track_caller]
fn assert_utc_ms(value: &Value) {
    let text = value.as_str().expect("a time");
    assert!(text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T' && text.as_bytes()[19] == b'.');
}

#[tokio::test]
async fn the_authentication_task_is_accepted_with_its_four_subtasks() {
    let stage = stage().await;
    let answer = stage.post("/tasks", r#"{"description":"Build a user authentication system","priority":1}"#).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let task = answer.json();
    let id = task["task_id"].as_str().expect("an id");
    assert_eq!(id.len(), 26, "a ULID");
    assert_eq!(answer.header("location"), format!("/tasks/{id}"));
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(task["description"], "Build a user authentication system");
    assert_eq!(
        (&task["status"], &task["priority"], &task["door"]),
        (&json!("queued"), &json!("medium"), &json!("native"))
    );
    assert_utc_ms(&task["created_at"]);
    assert_eq!(task["created_at"], task["updated_at"]);
    assert_eq!(task["links"], json!({ "self": format!("/tasks/{id}"), "result": format!("/result/{id}") }));
    assert_eq!(
        descriptions(&task),
        [
            "Design user database schema",
            "Implement JWT token generation",
            "Create login/logout endpoints",
            "Add password hashing with bcrypt",
        ]
    );
    for (index, subtask) in task["subtasks"].as_array().expect("a list").iter().enumerate() {
        assert_eq!(subtask["subtask_id"], format!("{id}-{index}"));
        assert_eq!(subtask["index"], index);
        assert_eq!((&subtask["status"], &subtask["kind"]), (&json!("queued"), &json!("simulate")));
    }
    assert_eq!(stage.redis.command(&["XLEN", "subtasks:default:medium"]).integer(), 4);
    let read = stage.get(&format!("/tasks/{id}")).await;
    assert_eq!((read.status, read.header("etag")), (200, "\"1\""));
    assert_eq!(read.json(), task, "what is read is what was answered");
}

#[tokio::test]
async fn a_task_is_read_as_it_moves_from_queued_to_completed() {
    let stage = stage().await;
    let id = stage.submit(r#"{"description":"move","subtasks":[{"description":"a"},{"description":"b"}]}"#).await;
    let path = format!("/tasks/{id}");
    let queued = stage.get(&path).await.json();

    let entries = stage.fetch(2).await;
    stage.start(&entries[0]).await;
    stage.fold().await;
    let running = read_agreeing(&stage, &path, "processing").await;
    let subtask = &running["subtasks"][0];
    assert_eq!(
        (&subtask["status"], &subtask["attempt"], &subtask["crashes"]),
        (&json!("running"), &json!(1), &json!(0))
    );
    assert_eq!(subtask["worker"], "worker-1:a@host");
    assert_utc_ms(&subtask["started_at"]);
    assert_eq!(running["subtasks"][1]["status"], "queued");
    assert!(running["updated_at"].as_str() > queued["updated_at"].as_str());

    stage.complete(&entries[0], "{}").await;
    stage.settle(&entries[1], FactKind::Completed, None).await;
    stage.fold().await;
    let done = read_agreeing(&stage, &path, "completed").await;
    assert_eq!((&done["completed"], &done["total"], &done["failed"]), (&json!(2), &json!(2), &json!(0)));
    assert_utc_ms(&done["finished_at"]);
    let ended = &done["subtasks"][0];
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("completed"), &json!(1)));
    assert_utc_ms(&ended["finished_at"]);
    assert!(ended.get("started_at").is_none() && ended.get("worker").is_none());

    let revisions: BTreeSet<u64> =
        [&queued, &running, &done].iter().map(|task| task["revision"].as_u64().expect("a number")).collect();
    assert_eq!(revisions.len(), 3, "every change has a revision of its own");
}

/// Reads a task that must have this status, in the document as in Redis.
async fn read_agreeing(stage: &Stage, path: &str, status: &str) -> Value {
    let answer: Answer = stage.get(path).await;
    let task = answer.json();
    assert_eq!(task["status"], status);
    assert_eq!(stage.hash_field(task["task_id"].as_str().expect("an id"), "status"), status);
    assert_eq!(answer.header("etag"), format!("\"{}\"", task["revision"]));
    task
}

#[tokio::test]
async fn a_failed_subtask_shows_its_reason() {
    let stage = stage().await;
    let id = stage.submit(r#"{"description":"fail","subtasks":[{"description":"a"}]}"#).await;
    let entries = stage.fetch(1).await;
    stage.settle(&entries[0], FactKind::Failed, None).await;
    stage.fold().await;
    let task = stage.get(&format!("/tasks/{id}")).await.json();
    assert_eq!((&task["status"], &task["failed"]), (&json!("failed"), &json!(1)));
    assert_eq!((&task["subtasks"][0]["status"], &task["subtasks"][0]["reason"]), (&json!("failed"), &json!("broken")));
}

#[tokio::test]
async fn an_unknown_and_a_malformed_id_are_not_found_alike() {
    let stage = stage().await;
    let long = "x".repeat(65);
    let longer = "x".repeat(8_000);
    for id in [
        "01K5QJ0000ABCDEFGHJKMNPQRS",
        "nope",
        "a%20b",
        "a:b",
        "%00",
        "%0d%0aX:1",
        "%ff",
        "..%2f..%2fetc%2fpasswd",
        "%C3%BC",
        "*",
        "{x}",
        &long,
        &longer,
    ] {
        for path in [format!("/tasks/{id}"), format!("/result/{id}")] {
            let problem = stage.get(&path).await.problem(404, "task_not_found");
            assert_eq!(problem["detail"], "Task not found", "{path}");
        }
    }
}

#[tokio::test]
async fn a_description_comes_back_intact() {
    let stage = stage().await;
    let text = "a, \"b\"\n ünï 🦀 \u{7f} </script>";
    let body = json!({ "description": text }).to_string();
    let answer = stage.post("/tasks", body).await;
    let id = answer.json()["task_id"].as_str().expect("an id").to_owned();
    let task = stage.get(&format!("/tasks/{id}")).await.json();
    assert_eq!(task["description"], text);
    assert_eq!(task["total"], 3, "commas invent no subtasks");
    assert_eq!(descriptions(&task)[2], format!("Test and validate: {text}"));
    assert_eq!(stage.hash_field(&id, "description"), text);
}

#[tokio::test]
async fn a_full_backlog_is_answered_with_a_time_to_come_back() {
    let config = Config { backlog_max: 4, ..config() };
    let stage = stage_on(PrivateRedis::start().expect("a redis"), config).await;
    stage.submit(r#"{"description":"x"}"#).await;
    let before = stage.footprint();
    let answer = stage.post("/tasks", r#"{"description":"x"}"#).await;
    answer.problem(429, "overloaded");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(stage.footprint(), before);
}
