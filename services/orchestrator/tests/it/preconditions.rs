//! TASK-17: what a client has seen already is not sent again, and what has changed since is left alone.

use crate::stage::{Answer, Stage, stage};
use serde_json::json;

const ONE: &str = r#"{"description":"d","subtasks":[{"description":"a"}]}"#;

async fn send(stage: &Stage, method: &str, path: &str, header: (&str, &str)) -> Answer {
    stage.send(method, path, &[header], String::new().into()).await
}

#[tokio::test]
async fn a_document_that_has_not_changed_is_not_sent_again() {
    let stage = stage().await;
    let path = format!("/tasks/{}", stage.submit(ONE).await);
    let unchanged = send(&stage, "GET", &path, ("if-none-match", "\"1\"")).await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));
    assert_eq!(unchanged.header("etag"), "\"1\"");
    assert_eq!(unchanged.header("x-request-id").len(), 26);
    for (tags, status) in [("\"0\", W/\"1\"", 304), ("*", 304), ("\"2\"", 200), ("1", 200)] {
        assert_eq!(send(&stage, "GET", &path, ("if-none-match", tags)).await.status, status, "{tags}");
    }
    stage.work().await;
    let changed = send(&stage, "GET", &path, ("if-none-match", "\"1\"")).await;
    assert_eq!((changed.status, &changed.json()["status"]), (200, &json!("completed")));
}

#[tokio::test]
async fn whoever_has_the_document_may_wait_for_the_next_one() {
    let stage = stage().await;
    let path = format!("/tasks/{}", stage.submit(ONE).await);
    let wait = async |etag: &'static str, seconds: &'static str| {
        stage.send("GET", &path, &[("if-none-match", etag), ("prefer", seconds)], String::new().into()).await
    };
    let same = wait("\"1\"", "wait=1").await;
    assert_eq!((same.status, same.header("preference-applied")), (304, "wait=1"));
    let at_once = wait("\"0\"", "wait=30").await;
    assert_eq!((at_once.status, at_once.header("preference-applied")), (200, ""), "there is nothing to wait for");
    let started = std::time::Instant::now();
    let (changed, ()) = tokio::join!(wait("\"1\"", "wait=30"), stage.work());
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!((changed.status, changed.header("preference-applied")), (200, "wait=30"));
    assert_ne!(changed.header("etag"), "\"1\"");
}

/// The status of its subtasks changes with the clock, and the revision does not.
#[tokio::test]
async fn a_document_that_changes_when_its_time_comes_is_another_one_from_then_on() {
    let stage = stage().await;
    let id = stage.submit(r#"{"description":"d","delay_seconds":1000,"subtasks":[{"description":"a"}]}"#).await;
    let path = format!("/tasks/{id}");
    let early = stage.get(&path).await;
    let seen = ("if-none-match", "\"1-delayed\"");
    assert_eq!((early.header("etag"), &early.json()["subtasks"][0]["status"]), ("\"1-delayed\"", &json!("delayed")));
    let waited = stage.send("GET", &path, &[seen, ("prefer", "wait=1")], String::new().into()).await;
    assert_eq!((waited.status, waited.header("etag")), (304, "\"1-delayed\""));
    let soon = (stage.store.now_ms().await.expect("a time") + 1_000).to_string();
    stage.redis.command(&["HSET", &format!("task:{id}"), "run_at", &soon]);
    let started = std::time::Instant::now();
    let waited = stage.send("GET", &path, &[seen, ("prefer", "wait=30")], String::new().into()).await;
    assert_eq!((waited.status, waited.header("etag"), waited.header("preference-applied")), (200, "\"1\"", "wait=30"));
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "it is answered when the time has come");
    stage.redis.command(&["HSET", &format!("task:{id}"), "run_at", "1000"]);
    let due = send(&stage, "GET", &path, seen).await;
    assert_eq!((due.status, due.header("etag")), (200, "\"1\""));
    assert_eq!((&due.json()["revision"], &due.json()["subtasks"][0]["status"]), (&json!(1), &json!("queued")));
    let cancel = format!("{path}/cancel");
    assert_eq!(send(&stage, "POST", &cancel, ("if-match", "\"1-delayed\"")).await.status, 200, "the same revision");
}

#[tokio::test]
async fn a_cancel_and_a_replay_may_be_bound_to_a_revision() {
    let stage = stage().await;
    let id = stage.submit(ONE).await;
    let cancel = format!("/tasks/{id}/cancel");
    for tag in ["\"2\"", "W/\"1\"", "\"x\""] {
        send(&stage, "POST", &cancel, ("if-match", tag)).await.problem(412, "precondition_failed");
    }
    let problem = send(&stage, "POST", &cancel, ("if-match", "1")).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/If-Match");
    assert_eq!(stage.task(&id).await["status"], "queued");
    let cancelled = send(&stage, "POST", &cancel, ("if-match", "\"1\"")).await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
    assert_eq!(send(&stage, "POST", &cancel, ("if-match", "\"1\"")).await.status, 200, "sent again");

    let replay = format!("/tasks/{id}/replay");
    send(&stage, "POST", &replay, ("if-match", "\"1\"")).await.problem(412, "precondition_failed");
    let etag = cancelled.header("etag").to_owned();
    assert_eq!(send(&stage, "POST", &replay, ("if-match", &etag)).await.status, 202);
    let gone = "/tasks/01K5QJ0000ABCDEFGHJKMNPQRS/cancel";
    send(&stage, "POST", gone, ("if-match", "\"1\"")).await.problem(404, "task_not_found");
}
