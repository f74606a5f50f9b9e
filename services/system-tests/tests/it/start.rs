//! Starting in a world that is not ready: no Redis yet, or settings that cannot be.

use serde_json::json;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use system_tests::body;
use system_tests::client::Client;
use system_tests::eventually::eventually;
use system_tests::process::{Process, Settings};
use system_tests::redis::PrivateRedis;
use system_tests::stack::{SOON, free_port};

/// What a client waits for an API without Redis.
const AT_MOST: Duration = Duration::from_secs(3);

#[test]
fn an_api_without_redis_listens_says_so_and_connects_when_it_comes() {
    let mut redis = PrivateRedis::start().expect("a Redis of our own");
    redis.kill();
    let (api, client) = start_api(&redis.url());
    check_disconnected(&client);
    let warnings = api.log().lines().into_iter().filter(|line| line.contains("WARN")).count();
    assert_eq!(warnings, 1, "one line says so: {:#?}", api.log().lines());

    redis.restart().expect("redis starts");
    eventually(SOON, "it connects by itself", || (client.get("/health").json()["redis"] == "connected").then_some(()));
    assert_eq!(client.post("/tasks", &body::authentication()).status, 202);
}

#[test]
fn an_api_whose_redis_accepts_and_never_answers_is_no_slower() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let (_api, client) = start_api(&format!("redis://127.0.0.1:{port}/0"));
    check_disconnected(&client);
}

#[test]
fn an_api_whose_redis_cannot_be_reached_is_no_slower() {
    // An address that is set aside for documentation: nothing answers there.
    let (_api, client) = start_api("redis://192.0.2.1:6379/0");
    check_disconnected(&client);
}

fn start_api(redis: &str) -> (Process, Client) {
    let port = free_port();
    let settings: Settings = [("REDIS_URL", redis.to_owned()), ("ORCHESTRATOR_PORT", port.to_string())]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    let directory = tempfile::tempdir().expect("a directory");
    let began = Instant::now();
    let api = Process::start("orchestrator", &["orchestrator"], &settings, directory.path());
    let client = Client::new(port);
    eventually(AT_MOST, "it listens", || client.try_get("/livez").ok());
    assert!(began.elapsed() <= AT_MOST);
    (api, client)
}

fn check_disconnected(client: &Client) {
    let health = client.get("/health");
    assert_eq!((health.status, &health.json()["redis"]), (200, &json!("disconnected")), "{}", health.body);
    assert_eq!(client.get("/ready").status, 503);
    let began = Instant::now();
    let refused = client.post("/tasks", &body::authentication());
    assert!(began.elapsed() <= AT_MOST, "{:?}", began.elapsed());
    assert_eq!((refused.status, &refused.json()["detail"]), (503, &json!("Redis unavailable")), "{}", refused.body);
    assert!(refused.header("retry-after").is_some());
}

#[test]
fn a_worker_and_a_projector_that_are_started_first_wait_for_redis() {
    let mut redis = PrivateRedis::start().expect("a Redis of our own");
    redis.kill();
    let directory = tempfile::tempdir().expect("a directory");
    let settings: Settings = [("REDIS_URL", redis.url()), ("HEALTH_DIR", directory.path().display().to_string())]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    let start = |role| Process::start(role, &[role], &settings, directory.path());
    let (worker, projector) = (start("worker"), start("projector"));
    // Only when their patience with one command is over do they show whether they go on.
    worker.wait_line(SOON, "waiting for redis");
    projector.wait_line(SOON, "waits and tries again");
    redis.restart().expect("redis starts");
    worker.wait_line(SOON, "] ready");
    eventually(SOON, "the projector reads", || {
        let groups = redis.command(&["XINFO", "GROUPS", "events"]);
        matches!(groups, system_tests::redis::Reply::Array(groups) if !groups.is_empty()).then_some(())
    });
    assert!(worker.try_exit().is_none() && projector.try_exit().is_none());
}
