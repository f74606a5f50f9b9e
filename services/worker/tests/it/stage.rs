//! A server of its own, a store, and workers that run until they are stopped.

use proto_schemas::{ConsumerName, Door, Priority, QueueName, SubtaskDefinition, TaskId};
use redis_store::submit::{Admission, Submission, Submitted};
use redis_store::{RedisConfig, Store};
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;
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

pub const ADMISSION: Admission = Admission { backlog_max: 1_000_000, deadline: Duration::from_secs(604_800) };

pub async fn stage() -> Stage {
    let redis = PrivateRedis::start().expect("a redis of our own");
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
        name: None,
        kind: kind.parse().expect("a kind"),
        queue: QueueName::default_queue(),
        description: format!("a {kind}"),
        priority: Priority::Medium,
        params: serde_json::value::to_raw_value(params).expect("json"),
        max_attempts: 5,
        timeout_ms: 600_000,
    }
}

impl Stage {
    pub async fn submit(&self, task: &str, subtasks: Vec<SubtaskDefinition>) {
        let submission = Submission {
            task_id: TaskId::new(task).expect("an id"),
            by: ConsumerName::new("test").expect("a name"),
            description: "a task".to_owned(),
            door: Door::Native,
            priority: Priority::Medium,
            kind: None,
            context: None,
            subtasks,
        };
        assert_eq!(self.store.submit(&submission, ADMISSION).await.expect("an answer"), Submitted::Created);
    }

    pub fn work(&self, config: Config, handlers: Handlers) -> Running {
        let (shutdown, pulse) = (CancellationToken::new(), Pulse::default());
        let running = worker::run(config, handlers, connect(&self.redis), pulse.clone(), shutdown.clone());
        Running { shutdown, pulse, task: tokio::spawn(running) }
    }

    /// The stored result of a subtask, as a stranger reads it.
    pub fn result(&self, subtask_id: &str) -> Option<serde_json::Value> {
        let key = format!("result:{subtask_id}");
        (self.redis.command(&["EXISTS", &key]).integer() == 1)
            .then(|| serde_json::from_str(&self.redis.command(&["GET", &key]).text()).expect("JSON"))
    }
}

impl Running {
    pub async fn stop(self) -> Result<(), WorkerError> {
        self.shutdown.cancel();
        self.task.await.expect("no panic")
    }
}

/// A worker with a short lease.
pub fn quick() -> Config {
    Config { lease: Duration::from_secs(1), grace: Duration::from_secs(2), ..Config::default() }
}

/// Waits until `condition` holds, looking every few milliseconds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
