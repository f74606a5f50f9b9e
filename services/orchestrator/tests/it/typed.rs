//! TYPED-1, 2, 3 and 5: the typed door.

use crate::stage::{Stage, stage};
use proto_schemas::FactKind;
use serde_json::json;

async fn assign(stage: &Stage, body: &str) -> String {
    let answer = stage.post("/assign-task/", body.to_owned()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["task_id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn work_is_assigned_with_and_without_the_slash() {
    let stage = stage().await;
    for path in ["/assign-task/", "/assign-task"] {
        let answer = stage.post(path, r#"{"task_type":"test_task","params":{}}"#).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let json = answer.json();
        assert_eq!(json["status"], "assigned");
        assert_eq!(json["message"], "Task 'test_task' successfully assigned");
        assert!(json["timestamp"].is_string());
        assert_eq!(json["task_id"].as_str().map(str::len), Some(26));
    }
    assert_eq!(assign(&stage, r#"{"task_type":"simulate"}"#).await.len(), 26, "params may be absent");
    assert_eq!(stage.redis.command(&["XLEN", "subtasks:default:medium"]).integer(), 3);
}

#[tokio::test]
async fn a_result_is_pending_then_processing_then_the_output_byte_for_byte() {
    let stage = stage().await;
    let id = assign(&stage, r#"{"task_type":"test_task","params":{"duration":1.0}}"#).await;
    let path = format!("/result/{id}");
    let pending = stage.get(&path).await;
    assert_eq!((pending.status, &pending.json()["status"]), (200, &json!("pending")));

    let entries = stage.fetch(1).await;
    assert_eq!(entries[0].entry.as_ref().expect("a sound entry").payload, r#"{"duration":1.0}"#);
    stage.start(&entries[0]).await;
    stage.fold().await;
    let processing = stage.get(&path).await.json();
    assert_eq!(processing["status"], "processing");
    assert!(processing.get("result").is_none() && processing.get("error").is_none());

    let output = r#"{"n": 18446744073709551616, "f":1.0}"#;
    stage.complete(&entries[0], output).await;
    stage.fold().await;
    let done = stage.get(&path).await;
    let json = done.json();
    assert_eq!((&json["task_id"], &json["status"]), (&json!(id), &json!("completed")));
    assert!(json["timestamp"].is_string());
    assert!(done.text.contains(&format!("\"result\":{output}")), "{}", done.text);

    stage.redis.command(&["DEL", &format!("result:{id}-0")]);
    let expired = stage.get(&path).await.json();
    assert_eq!((&expired["status"], expired.get("result")), (&json!("completed"), Some(&json!(null))));
}

#[tokio::test]
async fn a_failed_result_tells_the_message_or_else_the_reason() {
    let stage = stage().await;
    let id = assign(&stage, r#"{"task_type":"test_task"}"#).await;
    let entries = stage.fetch(1).await;
    let result = format!(
        r#"{{"subtask_id":"{id}-0","task_id":"{id}","status":"failed","worker_id":"w","completed_at":"2026-01-01T00:00:00Z","description":"d","error":{{"reason":"broken","message":"Connection timeout"}}}}"#
    );
    stage.settle(&entries[0], FactKind::Failed, Some(&result)).await;
    stage.fold().await;
    let failed = stage.get(&format!("/result/{id}")).await.json();
    assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("Connection timeout")));
    assert!(failed.get("result").is_none());
    stage.redis.command(&["DEL", &format!("result:{id}-0")]);
    assert_eq!(stage.get(&format!("/result/{id}")).await.json()["error"], "broken");
    stage.redis.command(&["SET", &format!("result:{id}-0"), "not json"]);
    assert_eq!(stage.get(&format!("/result/{id}")).await.json()["error"], "broken");
}

#[tokio::test]
async fn a_task_is_readable_at_both_doors_whichever_made_it() {
    let stage = stage().await;
    let typed = assign(&stage, r#"{"task_type":"test_task"}"#).await;
    let task = stage.get(&format!("/tasks/{typed}")).await.json();
    assert_eq!((&task["door"], &task["kind"], &task["total"]), (&json!("typed"), &json!("test_task"), &json!(1)));
    assert_eq!((&task["description"], &task["subtasks"][0]["kind"]), (&json!("test_task"), &json!("test_task")));

    let native = stage.submit(r#"{"description":"n","subtasks":[{"description":"a"},{"description":"b"}]}"#).await;
    assert_eq!(stage.get(&format!("/result/{native}")).await.json()["status"], "pending");
    let entries = stage.fetch(10).await;
    let (first, second) = (&entries[1], &entries[2]);
    stage.complete(first, r#"{"by": "a"}"#).await;
    stage.complete(second, "[1.0]").await;
    stage.fold().await;
    let done = stage.get(&format!("/result/{native}")).await;
    assert!(done.text.contains(r#""result":{"subtasks":[{"by": "a"},[1.0]]}"#), "{}", done.text);
}

#[tokio::test]
async fn bad_assignments_are_400_with_a_detail_and_write_nothing() {
    let stage = stage().await;
    let before = stage.footprint();
    for (body, code, pointer) in [
        (r#"{"params":{}}"#, "invalid_request", "/task_type"),
        (r#"{"task_type":7}"#, "invalid_request", "/task_type"),
        (r#"{"task_type":"test_task","params":[]}"#, "invalid_request", "/params"),
        (r#"{"task_type":"test_task","params":null}"#, "invalid_request", "/params"),
        (r#"{"task_type":"test_task","priority":1}"#, "invalid_request", "/priority"),
        (r#"{"task_type":"secret_kind"}"#, "unknown_kind", "/task_type"),
        (r#"{"task_type":"../x"}"#, "unknown_kind", "/task_type"),
    ] {
        let answer = stage.post("/assign-task/", body).await;
        let problem = answer.problem(400, code);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
        assert!(!answer.text.contains("secret_kind"));
    }
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn results_too_large_for_one_answer_are_refused_and_not_collected() {
    let stage = stage().await;
    let plan = vec![r#"{"description":"d"}"#; 70].join(",");
    let id = stage.submit(&format!(r#"{{"description":"large","subtasks":[{plan}]}}"#)).await;
    let output = format!("\"{}\"", "x".repeat(250 << 10));
    for entry in stage.fetch(70).await {
        stage.complete(&entry, &output).await;
    }
    stage.fold().await;
    stage.get(&format!("/result/{id}")).await.problem(422, "results_too_large");
}
