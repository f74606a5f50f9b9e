//! A server of its own, a store, workers that run until they are stopped, and a stranger's look at the keys.

use proto_schemas::{ConsumerName, Priority, SubtaskDefinition, TaskId};
use redis_store::cancel::{CancelOrder, Cancelled};
use redis_store::submit::{Admission, Submission, Submitted};
use redis_store::{RedisConfig, Store};
use std::time::{Duration, Instant};
use system_tests::redis::{PrivateRedis, Reply};
use telemetry::Pulse;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::{Config, Handlers, WorkerError};

pub struct Stage {
    pub redis: PrivateRedis,
    pub store: Store,
}

/// A worker and the way to stop it.
pub struct Running {
    pub shutdown: CancellationToken,
    pub pulse: Pulse,
    task: JoinHandle<Result<(), WorkerError>>,
}

/// A worker on threads of its own, so that what blocks or kills them does not reach the test.
pub struct Apart {
    pub shutdown: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
}

/// What XPENDING says of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub entry_id: String,
    pub consumer: String,
}

const ADMISSION: Admission = Admission { backlog_max: 1_000_000, deadline: Duration::from_secs(604_800) };
const PRIORITIES: [&str; 4] = ["critical", "high", "medium", "low"];

pub async fn stage() -> Stage {
    stage_on(PrivateRedis::start().expect("a redis of our own")).await
}

pub async fn stage_on(redis: PrivateRedis) -> Stage {
    let store = connect(&redis);
    assert!(store.wait_connected(Duration::from_secs(5)).await);
    Stage { redis, store }
}

pub fn connect(redis: &PrivateRedis) -> Store {
    let config = RedisConfig { url: redis.url().into(), patience: Duration::from_secs(5) };
    Store::connect(&config).expect("a valid address")
}

pub fn subtask(kind: &str, params: &serde_json::Value) -> SubtaskDefinition {
    SubtaskDefinition {
        params: serde_json::value::to_raw_value(params).expect("json"),
        ..SubtaskDefinition::new(kind.parse().expect("a kind"), format!("a {kind}"), Priority::Medium)
    }
}

pub fn submission(task: &str, subtasks: Vec<SubtaskDefinition>) -> Submission {
    let (task_id, by) = (TaskId::new(task).expect("an id"), ConsumerName::new("test").expect("a name"));
    Submission::new(task_id, by, "a task".to_owned(), subtasks)
}

/// `count` subtasks of kind `do`.
pub fn doings(count: usize, priority: Priority) -> Vec<SubtaskDefinition> {
    let doing = |n| SubtaskDefinition { priority, ..subtask("do", &serde_json::json!({ "n": n })) };
    (0..count).map(doing).collect()
}

impl Stage {
    pub async fn submit(&self, task: &str, subtasks: Vec<SubtaskDefinition>) {
        self.submit_as(submission(task, subtasks)).await;
    }

    pub async fn submit_as(&self, submission: Submission) {
        assert_eq!(self.store.submit(&submission, ADMISSION).await.expect("an answer"), Submitted::Created);
    }

    /// Cancels a task, as its client would.
    pub async fn cancel(&self, task: &str) {
        let order =
            CancelOrder { reason: None, task_ttl: Duration::from_secs(60), only_past: false, if_revision: None };
        let (by, task_id) = (ConsumerName::new("test").expect("a name"), TaskId::new(task).expect("an id"));
        let cancelled = self.store.cancel(&by, &task_id, &order).await.expect("an answer");
        assert!(matches!(cancelled, Cancelled::Cancelled(..)), "{cancelled:?}");
    }

    /// Folds what has happened, as a projector would.
    pub async fn fold(&self) {
        self.store.create_projector_group().await.expect("a group");
        let by = ConsumerName::new("p").expect("a name");
        let entries = self.store.read_events(&by, 1_000, Duration::ZERO).await.expect("facts");
        self.store.fold(&by, Duration::from_secs(60), &entries).await.expect("an answer");
    }

    pub fn work(&self, config: Config, handlers: Handlers) -> Running {
        let (shutdown, pulse) = (CancellationToken::new(), Pulse::default());
        let running = worker::run(config, handlers, connect(&self.redis), pulse.clone(), shutdown.clone());
        Running { shutdown, pulse, task: tokio::spawn(running) }
    }

    /// As [`Stage::work`], on a runtime of one thread.
    pub fn work_apart(&self, config: Config, handlers: Handlers) -> Apart {
        let shutdown = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let store = {
            let _inside = runtime.enter();
            connect(&self.redis)
        };
        runtime.spawn(worker::run(config, handlers, store, Pulse::default(), shutdown.clone()));
        Apart { shutdown, runtime: Some(runtime) }
    }

    /// The stored result of a subtask, as a stranger reads it.
    pub fn result(&self, subtask_id: &str) -> Option<serde_json::Value> {
        let key = format!("result:{subtask_id}");
        match self.redis.command(&["GET", &key]) {
            Reply::Nil => None,
            found => Some(serde_json::from_str(&found.text()).expect("JSON")),
        }
    }

    /// How many of the first `count` subtasks of `task` have a result.
    pub fn results(&self, task: &str, count: usize) -> usize {
        let keys = (0..count).map(|index| format!("result:{task}-{index}"));
        let command: Vec<String> = std::iter::once("EXISTS".to_owned()).chain(keys).collect();
        self.redis.command(&command).integer() as usize
    }

    /// What is pending in the default queue, all priorities at one moment.
    pub fn pending(&self) -> Vec<Pending> {
        self.redis.command(&["MULTI"]);
        for priority in PRIORITIES {
            let key = format!("subtasks:default:{priority}");
            self.redis.command(&["XPENDING", &key, "workers", "-", "+", "1000"]);
        }
        let replies = self.redis.command(&["EXEC"]);
        // An error is a group that is not there, or a key of another type.
        let rows = replies.items().iter().filter(|reply| !matches!(reply, Reply::Error(_))).flat_map(Reply::items);
        rows.map(|row| Pending { entry_id: row.items()[0].text(), consumer: row.items()[1].text() }).collect()
    }

    /// Entries in the default queue, all priorities.
    pub fn backlog(&self) -> i64 {
        let length = |priority| self.redis.command(&["XLEN", &format!("subtasks:default:{priority}")]).integer();
        PRIORITIES.iter().map(length).sum()
    }

    /// The entries of a stream, each with its fields.
    pub fn entries(&self, stream: &str) -> Vec<(String, Vec<Reply>)> {
        let rows = self.redis.command(&["XRANGE", stream, "-", "+"]);
        rows.items().iter().map(|row| (row.items()[0].text(), row.items()[1].items().to_vec())).collect()
    }

    /// Every fact of the log, split into its words: task index generation fact attempt crashes worker ms [reason].
    pub fn facts(&self, fact: &str) -> Vec<Vec<String>> {
        let lines = self.entries("events").into_iter().flat_map(|(_, fields)| {
            let at = fields.iter().position(|name| name.text() == "facts").expect("facts");
            fields[at + 1].text().lines().map(str::to_owned).collect::<Vec<_>>()
        });
        let words = lines.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        words.filter(|words| words[3] == fact).collect()
    }

    /// The consumers that have sent a heartbeat.
    pub fn consumers(&self) -> Vec<String> {
        self.redis.command(&["ZRANGE", "workers", "0", "-1"]).items().iter().map(Reply::text).collect()
    }

    /// Waits until `count` workers wait at the bell.
    pub async fn idle(&self, count: usize) {
        let waiting = || self.redis.command(&["CLIENT", "LIST"]).text().matches("cmd=blpop").count();
        eventually("workers wait at the bell", || waiting() == count).await;
    }

    /// Sends a signal to the server's process.
    pub fn signal(&self, name: &str) {
        let pid = self.redis.pid().expect("a running server").to_string();
        let sent = std::process::Command::new("kill").args([name, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }
}

impl Running {
    pub async fn stop(self) -> Result<(), WorkerError> {
        self.shutdown.cancel();
        self.ended().await
    }

    pub async fn ended(self) -> Result<(), WorkerError> {
        tokio::time::timeout(Duration::from_secs(30), self.task).await.expect("an end in time").expect("no panic")
    }
}

impl Apart {
    /// Ends the threads under the worker, as near to a crash as a process allows.
    pub fn crash(mut self) {
        self.runtime.take().expect("not yet").shutdown_background();
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A worker with a short lease.
pub fn quick() -> Config {
    Config { lease: Duration::from_secs(1), grace: Duration::from_secs(2), ..Config::default() }
}

/// The same with `slots`.
pub fn slots(slots: usize) -> Config {
    Config { slots, ..quick() }
}

/// The same that nobody can mistake for dead while a test lasts: what comes back did not come from the reaper.
pub fn patient(slots: usize) -> Config {
    Config { slots, lease: Duration::from_secs(60), ..quick() }
}

/// Waits until `condition` holds, looking every few milliseconds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
