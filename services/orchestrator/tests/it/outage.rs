//! RUN-6 and TASK-7: Redis down, up, silent, out of memory.

use crate::guards::key;
use crate::stage::{Stage, config, eventually, stage, stage_of, stage_on, stage_with};
use futures::future::join_all;
use orchestrator::Config;
use orchestrator::auth::{AuthConfig, Scope};
use redis_store::throttle::Allowance;
use serde_json::json;
use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;

/// Reads and writes are both 503 in time and say when to come back.
async fn assert_unavailable(stage: &Stage) {
    for request in REQUESTS {
        assert_unavailable_to(stage, "", request).await;
    }
}

const REQUESTS: [(&str, &str, &str); 4] = [
    ("POST", "/tasks", r#"{"description":"d"}"#),
    ("POST", "/assign-task/", r#"{"task_type":"test_task"}"#),
    ("GET", "/tasks/01K5QJ0000ABCDEFGHJKMNPQRS", ""),
    ("GET", "/result/01K5QJ0000ABCDEFGHJKMNPQRS", ""),
];

async fn assert_unavailable_to(stage: &Stage, authorization: &str, (method, path, body): (&str, &str, &'static str)) {
    let started = Instant::now();
    let headers = [("content-type", "application/json"), ("authorization", authorization)];
    let answer = stage.send(method, path, &headers, body.into()).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{method} {path} took {:?}", started.elapsed());
    assert_eq!(answer.problem(503, "redis_unavailable")["detail"], "Redis unavailable");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds <= 2));
}

/// The same where the gate asks Redis too, before the handler does: of several at once, those that wait for what
/// another one reads included, and as long as what was read before the outage is remembered and longer.
async fn assert_unavailable_behind(gate: Config, end: impl AsyncFnOnce(&mut Stage)) {
    let mut stage = stage_of(gate).await;
    let authorization = format!("Bearer {}", key(&stage, Scope::Write).await.0);
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let accepted = stage.send("POST", "/tasks", &headers, r#"{"description":"d"}"#.into()).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    end(&mut stage).await;
    for _ in 0..3 {
        join_all(REQUESTS.map(|request| assert_unavailable_to(&stage, &authorization, request))).await;
    }
}

/// And with the allowance, which is asked for after them.
fn with_keys() -> Config {
    Config { auth: AuthConfig { keys: true, jwt: None }, ..with_allowance() }
}

fn with_allowance() -> Config {
    let allowance = Allowance { requests: 1_000, window: Duration::from_secs(60) };
    Config { allowance: Some(allowance), ..config() }
}

/// Stops it for good: it still takes connections and commands, and answers nothing.
async fn freeze(stage: &mut Stage) {
    signal(stage, "-STOP");
}

pub fn signal(stage: &Stage, name: &str) {
    let pid = stage.redis.pid().expect("it runs").to_string();
    assert!(Command::new("kill").args([name, &pid]).status().expect("kill").success());
}

async fn accepts(stage: &Stage) -> bool {
    stage.post("/tasks", r#"{"description":"d"}"#).await.status == 202
}

#[tokio::test]
async fn it_starts_without_redis_and_connects_by_itself() {
    let mut redis = PrivateRedis::start().expect("a redis of our own");
    redis.kill();
    let started = Instant::now();
    let mut stage = stage_on(redis, config()).await;
    let health = stage.get("/health").await;
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!((health.status, &health.json()["redis"]), (200, &json!("disconnected")));
    let ready = stage.get("/ready").await.problem(503, "not_ready");
    assert_eq!(ready["missing"], json!(["redis"]));
    assert_eq!(stage.get("/livez").await.status, 200);
    assert_unavailable(&stage).await;

    stage.redis.restart().expect("the same port");
    eventually(Duration::from_secs(10), || accepts(&stage)).await;
    assert_eq!(stage.get("/health").await.json()["redis"], "connected");
    assert_eq!(stage.get("/ready").await.status, 200);
}

#[tokio::test]
async fn an_outage_writes_nothing_and_ends_by_itself() {
    let mut stage = stage_on(PrivateRedis::start_aof_always().expect("a redis"), config()).await;
    eventually(Duration::from_secs(5), || accepts(&stage)).await;
    let before = stage.footprint();
    stage.redis.kill();
    assert_unavailable(&stage).await;
    eventually(Duration::from_secs(5), || async { stage.get("/ready").await.status == 503 }).await;
    stage.redis.restart().expect("the same port");
    assert_eq!(stage.footprint(), before, "no partial write, and nothing was sent late");
    eventually(Duration::from_secs(10), || accepts(&stage)).await;
}

#[tokio::test]
async fn a_redis_that_never_answers_is_unavailable_in_time_whatever_the_patience_of_the_store() {
    let redis = PrivateRedis::start().expect("a redis of our own");
    let stage = stage_with(redis, config(), Duration::from_secs(30)).await;
    eventually(Duration::from_secs(5), || accepts(&stage)).await;
    signal(&stage, "-STOP");
    let started = Instant::now();
    let answer = stage.get("/tasks/01K5QJ0000ABCDEFGHJKMNPQRS").await;
    let took = started.elapsed();
    let posted = stage.post("/tasks", r#"{"description":"d"}"#).await;
    let ready = stage.get("/ready").await;
    signal(&stage, "-CONT");
    answer.problem(503, "redis_unavailable");
    posted.problem(503, "redis_unavailable");
    ready.problem(503, "not_ready");
    assert!(took < Duration::from_secs(3), "{took:?}");
    eventually(Duration::from_secs(15), || accepts(&stage)).await;
}

#[tokio::test]
async fn an_allowance_that_nobody_counts_holds_up_no_answer() {
    let frozen = Box::pin(assert_unavailable_behind(with_allowance(), freeze));
    let killed = Box::pin(assert_unavailable_behind(with_allowance(), async |stage| stage.redis.kill()));
    tokio::join!(frozen, killed);
}

#[tokio::test]
async fn keys_that_nobody_can_read_hold_up_no_answer() {
    let frozen = Box::pin(assert_unavailable_behind(with_keys(), freeze));
    let killed = Box::pin(assert_unavailable_behind(with_keys(), async |stage| stage.redis.kill()));
    tokio::join!(frozen, killed);
}

#[tokio::test]
async fn a_redis_without_memory_is_503_and_stores_nothing() {
    let stage = stage().await;
    assert!(accepts(&stage).await);
    let before = stage.footprint();
    stage.redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let answer = stage.post("/tasks", r#"{"description":"d"}"#).await;
    answer.problem(503, "redis_out_of_memory");
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(stage.footprint(), before);
    stage.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(accepts(&stage).await);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn warnings(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned();
        text.lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_is_one_warning_line_however_many_requests_meet_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_env_filter("debug,fred=error").with_writer(move || writer.clone());
    // One thread runs the server and the test, so the subscriber of this thread hears both.
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let mut redis = PrivateRedis::start().expect("a redis of our own");
    redis.kill();
    let mut stage = stage_on(redis, config()).await;
    eventually(Duration::from_secs(5), || async { log.warnings().len() == 1 }).await;
    assert_unavailable(&stage).await;
    assert_eq!(log.warnings().len(), 1, "{:?}", log.warnings());
    stage.redis.restart().expect("the same port");
    eventually(Duration::from_secs(10), || accepts(&stage)).await;
    assert_eq!(log.warnings().len(), 1, "{:?}", log.warnings());
}
