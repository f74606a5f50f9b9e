//! TASK-13: cancelling a task.

use crate::stage::stage;
use proto_schemas::TaskId;
use serde_json::json;

#[tokio::test]
async fn whatever_has_not_ended_is_cancelled_at_once() {
    let stage = stage().await;
    let body = r#"{"description":"d","subtasks":[{"name":"a","description":"a"},{"description":"b"},{"description":"c","depends_on":["a"]}]}"#;
    let id = stage.submit(body).await;
    let entries = stage.fetch(10).await;
    stage.complete(&entries[1], "1").await;
    stage.start(&entries[0]).await;
    stage.fold().await;
    let answer = stage.post(&format!("/tasks/{id}/cancel"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let task = answer.json();
    assert_eq!((&task["status"], &task["cancelled"], &task["completed"]), (&json!("cancelled"), &json!(2), &json!(1)));
    assert_eq!(answer.header("etag"), format!("\"{}\"", task["revision"]));
    assert_eq!(stage.statuses(&id).await, ["cancelled", "completed", "cancelled"]);
    let told = stage.store.cancelled_among(&[TaskId::new(id.as_str()).expect("an id")]).await.expect("an answer");
    assert_eq!(told.len(), 1, "workers are told");
    assert_eq!(stage.get(&format!("/result/{id}")).await.json()["status"], "cancelled");

    let before = stage.footprint();
    let again = stage.post(&format!("/tasks/{id}/cancel"), "").await;
    assert_eq!((again.status, again.json()), (200, task), "a second time changes nothing");
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn a_delayed_task_is_cancelled_with_what_waits_for_its_time() {
    let stage = stage().await;
    let id = stage.submit(r#"{"description":"d","delay_seconds":60}"#).await;
    assert_eq!(stage.post(&format!("/tasks/{id}/cancel"), "").await.json()["status"], "cancelled");
    assert_eq!(stage.redis.command(&["ZCARD", "delayed"]).integer(), 0);
}

#[tokio::test]
async fn what_has_ended_otherwise_and_what_is_not_there_cannot_be_cancelled() {
    let stage = stage().await;
    let completed = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"}]}"#).await;
    stage.work().await;
    let failed = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"}]}"#).await;
    let entries = stage.fetch(1).await;
    stage.bury(&entries[0], "broken").await;
    stage.fold().await;
    let before = stage.footprint();
    for id in [&completed, &failed] {
        stage.post(&format!("/tasks/{id}/cancel"), "").await.problem(409, "not_cancellable");
    }
    for id in ["01K5QJ0000ABCDEFGHJKMNPQRS", "a%20b", "%ff"] {
        stage.post(&format!("/tasks/{id}/cancel"), "").await.problem(404, "task_not_found");
    }
    assert_eq!(stage.footprint(), before);
}
