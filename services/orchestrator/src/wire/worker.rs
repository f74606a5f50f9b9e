//! Workers as operators read them.

use super::task;
use super::time::Timestamp;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Serialize;

/// The live workers.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example)]
pub struct WorkerList {
    /// By name, at most 500: those whose last heartbeat is younger than a minute.
    pub workers: Vec<WorkerDocument>,
    /// How many there are.
    pub total: u64,
    /// Leases of workers that are not live any more: other workers take them over when they run out.
    pub unowned: Vec<LeaseDocument>,
}

/// A worker, as it said of itself in its last heartbeat.
#[derive(Debug, Clone, Serialize, Object)]
pub struct WorkerDocument {
    /// Its display id, the setting WORKER_ID.
    pub worker_id: String,
    /// Its name in the consumer groups, unique per process.
    pub consumer: String,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// The kinds it serves.
    pub kinds: Vec<String>,
    /// Its slots: how many subtasks it runs at once.
    pub slots: u64,
    /// How many subtasks it was running at its last heartbeat.
    pub running: u64,
    /// Whether it takes no more work and is about to end.
    pub draining: bool,
    /// When its last heartbeat was.
    pub heartbeat_at: Timestamp,
    /// The age of its last heartbeat, in seconds; one comes every 10.
    pub heartbeat_age_seconds: f64,
    /// What it has leased right now. Of each stream the 250 oldest leases are looked at, of all
    /// together 2,000.
    pub leases: Vec<LeaseDocument>,
}

/// An attempt that a worker has leased. What its entry does not say is absent.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct LeaseDocument {
    /// Its task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Its subtask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtask_id: Option<String>,
    /// Its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Which attempt, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How many workers have died with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crashes: Option<u32>,
    /// The consumer that holds it.
    pub consumer: String,
    /// The stream of its entry.
    pub stream: String,
    /// Its entry.
    pub entry_id: String,
    /// Age of the entry since it was added, in seconds: waiting and running.
    pub age_seconds: f64,
    /// For how long its handler has run, in seconds; absent until the projector has folded its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_seconds: Option<f64>,
    /// Seconds since the lease was taken or renewed: it runs out at `LEASE_MS`.
    pub idle_seconds: f64,
    /// How often the entry was delivered.
    pub deliveries: u64,
}

impl Example for WorkerList {
    fn example() -> Self {
        let consumer = "worker-1:01K5QJ0000@host-a".to_owned();
        let lease = LeaseDocument {
            task_id: Some(task::EXAMPLE_ID.to_owned()),
            subtask_id: Some(format!("{}-0", task::EXAMPLE_ID)),
            kind: Some("simulate".to_owned()),
            attempt: Some(1),
            crashes: Some(0),
            consumer: consumer.clone(),
            stream: "subtasks:default:medium".to_owned(),
            entry_id: "1790000001000-0".to_owned(),
            age_seconds: 1.2,
            running_seconds: Some(1.1),
            idle_seconds: 1.1,
            deliveries: 1,
        };
        let worker = WorkerDocument {
            worker_id: "worker-1".to_owned(),
            consumer,
            host: "host-a".to_owned(),
            pid: 4_242,
            kinds: vec!["simulate".to_owned(), "test_task".to_owned()],
            slots: 64,
            running: 1,
            draining: false,
            heartbeat_at: Timestamp::from_ms(1_790_000_000_000),
            heartbeat_age_seconds: 2.2,
            leases: vec![lease],
        };
        Self { workers: vec![worker], total: 1, unowned: Vec::new() }
    }
}
