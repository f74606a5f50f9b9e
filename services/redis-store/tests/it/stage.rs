//! What every test stands on: a server of its own, a store, and short ways to make entries.

use proto_schemas::{ConsumerName, Door, Fact, FactKind, Priority, QueueName, SubtaskDefinition, TaskId};
use redis_store::fetch::Fetched;
use redis_store::submit::{Admission, Submission, Submitted};
use redis_store::{RedisConfig, Store, Stream, settle::Settlement};
use std::time::Duration;
use system_tests::redis::PrivateRedis;

/// One server and one store on it.
pub struct Stage {
    pub redis: PrivateRedis,
    pub store: Store,
    pub queue: QueueName,
}

pub const ADMISSION: Admission = Admission { backlog_max: 1_000_000, deadline: Duration::from_secs(604_800) };
pub const TTL: Duration = Duration::from_secs(604_800);

pub async fn stage() -> Stage {
    let redis = PrivateRedis::start().expect("a redis of our own");
    let config = RedisConfig { url: redis.url().into(), patience: Duration::from_secs(5) };
    let store = Store::connect(&config).expect("a valid address");
    assert!(store.wait_connected(Duration::from_secs(5)).await);
    let queue = QueueName::default_queue();
    store.create_worker_groups(&queue).await.expect("groups");
    store.create_projector_group().await.expect("group");
    Stage { redis, store, queue }
}

pub fn name(text: &str) -> ConsumerName {
    ConsumerName::new(text).expect("a name")
}

pub fn submission(task: &str, count: usize) -> Submission {
    let subtask = |index: usize| SubtaskDefinition {
        name: None,
        kind: "simulate".parse().expect("a kind"),
        queue: QueueName::default_queue(),
        description: format!("step {index}"),
        priority: Priority::Medium,
        params: serde_json::value::to_raw_value(&serde_json::json!({})).expect("json"),
        max_attempts: 5,
        timeout_ms: 600_000,
    };
    Submission {
        task_id: TaskId::new(task).expect("an id"),
        by: name("api"),
        description: "a task".to_owned(),
        door: Door::Native,
        priority: Priority::Medium,
        kind: None,
        context: None,
        subtasks: (0..count).map(subtask).collect(),
    }
}

impl Stage {
    pub async fn submit(&self, task: &str, count: usize) {
        let answer = self.store.submit(&submission(task, count), ADMISSION).await.expect("an answer");
        assert_eq!(answer, Submitted::Created);
    }

    pub async fn fetch(&self, consumer: &str, count: usize) -> Vec<Fetched> {
        self.store.fetch(&name(consumer), &Stream::of(&self.queue), count).await.expect("entries")
    }
}

pub fn settlement(fetched: &Fetched, by: &str, kind: FactKind, result: Option<&str>) -> Settlement {
    let entry = fetched.entry.as_ref().expect("a sound entry");
    Settlement {
        stream: fetched.stream.clone(),
        entry_id: fetched.entry_id.clone(),
        subtask_id: entry.subtask_id.clone(),
        fact: Fact {
            task_id: entry.task_id.clone(),
            index: Some(entry.index),
            generation: entry.generation,
            kind,
            attempt: entry.attempt,
            crashes: entry.crashes,
            worker: name(by),
            at_ms: 0,
            reason: None,
        },
        result: result.map(str::to_owned),
        result_ttl: Duration::from_secs(86_400),
    }
}
