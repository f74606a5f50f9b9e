//! TASK-17: `Prefer: wait`, the end of a task in the answer to its submission.

use crate::stage::{Answer, Stage, config, eventually, stage, stage_on};
use orchestrator::Config;
use orchestrator::feed::waiting::{Patience, Waited};
use orchestrator::feed::{Feed, FeedSettings};
use proto_schemas::TaskId;
use std::sync::Arc;
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;
use tokio_util::sync::CancellationToken;

const ONE: &str = r#"{"description":"d","subtasks":[{"description":"a"}]}"#;

async fn post(stage: &Stage, path: &str, prefer: &str, body: &'static str) -> Answer {
    let headers = [("content-type", "application/json"), ("prefer", prefer), ("idempotency-key", "k")];
    let count = if prefer.is_empty() { 1 } else { 2 };
    stage.send("POST", path, &headers[..count], body.into()).await
}

/// Lets what waits complete as soon as there is something.
async fn work_once(stage: &Stage) {
    eventually(Duration::from_secs(5), || async { stage.redis.command(&["ZCARD", "tasks"]).integer() > 0 }).await;
    stage.work().await;
}

#[tokio::test]
async fn a_task_that_ends_in_time_is_answered_with_its_end() {
    let stage = stage().await;
    let started = Instant::now();
    let (answer, ()) = tokio::join!(post(&stage, "/tasks", "wait=20", ONE), work_once(&stage));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!((answer.status, answer.header("preference-applied")), (200, "wait=20"), "{}", answer.text);
    let task = answer.json();
    assert_eq!((&task["status"], &task["completed"]), (&"completed".into(), &1.into()));
    assert_eq!(answer.header("etag"), format!("\"{}\"", task["revision"]));
    assert!(answer.header("location").starts_with("/tasks/"));
}

#[tokio::test]
async fn a_task_that_does_not_is_answered_as_accepted_after_that_time() {
    let stage = stage().await;
    let started = Instant::now();
    let answer = post(&stage, "/tasks", "wait=1", ONE).await;
    assert!(started.elapsed() >= Duration::from_secs(1) && started.elapsed() < Duration::from_secs(5));
    assert_eq!((answer.status, answer.header("preference-applied")), (202, "wait=1"));
    assert_eq!(answer.json()["status"], "queued");
    let answer = post(&stage, "/tasks", "wait=0", ONE).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (202, "wait=0"));
}

#[tokio::test]
async fn a_preference_that_cannot_be_read_is_none() {
    let stage = stage().await;
    for prefer in ["", "wait", "wait=soon", "wait=-1", "respond-async"] {
        let answer = post(&stage, "/tasks", prefer, ONE).await;
        assert_eq!((answer.status, answer.header("preference-applied")), (202, ""), "{prefer}");
    }
}

#[tokio::test]
async fn many_wait_at_once_and_each_is_answered() {
    let stage = stage().await;
    let waiting = futures::future::join_all((0..20).map(|_| post(&stage, "/tasks", "wait=20", ONE)));
    let working = async {
        eventually(Duration::from_secs(5), || async { stage.redis.command(&["ZCARD", "tasks"]).integer() == 20 }).await;
        stage.work().await;
    };
    let (answers, ()) = tokio::join!(waiting, working);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.json()["status"] == "completed"));
}

#[tokio::test]
async fn the_typed_door_answers_what_came_of_it() {
    let stage = stage().await;
    let body = r#"{"task_type":"test_task"}"#;
    let (answer, ()) = tokio::join!(post(&stage, "/assign-task/", "wait=20", body), work_once(&stage));
    assert_eq!((answer.status, answer.header("preference-applied")), (200, "wait=20"), "{}", answer.text);
    let answer = answer.json();
    assert_eq!(answer["status"], "assigned", "the words of this door stay");
    assert_eq!((&answer["outcome"]["status"], &answer["outcome"]["result"]), (&"completed".into(), &1.into()));
    let answer = post(&stage, "/assign-task/", "wait=1", body).await;
    assert!(answer.status == 200 && answer.json().get("outcome").is_none());
}

#[tokio::test]
async fn who_finds_no_place_to_wait_is_answered_at_once() {
    let feed = FeedSettings { streams_max: 0, ..Config::default().feed };
    let stage = stage_on(PrivateRedis::start().expect("a redis"), Config { feed, ..config() }).await;
    let started = Instant::now();
    let answer = post(&stage, "/tasks", "wait=20", ONE).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (202, ""));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_change_is_waited_for_by_the_revision_that_is_known() {
    let stage = stage().await;
    let feed = Arc::new(Feed::new(stage.store.clone(), Config::default().feed, CancellationToken::new()));
    let running = feed.clone();
    let follower = tokio::spawn(async move { running.run().await });
    let id = stage.submit(ONE).await;
    let task_id = TaskId::new(id.as_str()).expect("an id");
    let revision = stage.task(&id).await["revision"].as_u64().expect("a number");
    let patience = |limit| Patience { client: None, limit };
    let soon = patience(Duration::from_secs(20));
    assert_eq!(feed.wait_change(&task_id, revision + 7, soon).await, Waited::Seen, "it differs already");
    let nothing = feed.wait_change(&task_id, revision, patience(Duration::from_millis(100))).await;
    assert_eq!(nothing, Waited::TimedOut);
    let working = async {
        let entries = stage.fetch(1).await;
        stage.start(&entries[0]).await;
        stage.fold().await;
    };
    let (waited, ()) = tokio::join!(feed.wait_change(&task_id, revision, soon), working);
    assert_eq!(waited, Waited::Seen);
    follower.abort();
}
