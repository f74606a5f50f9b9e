//! Every key, one function each; the only place that spells them.

use proto_schemas::{Priority, QueueName, SubtaskId, TaskId, TaskStatus};
use std::fmt;

/// The group that reads work.
pub const WORKERS_GROUP: &str = "workers";
/// The group that folds `events`.
pub const PROJECTOR_GROUP: &str = "projector";
/// The group of `events` whose place is how far its ends have been told to webhooks.
pub const WEBHOOKS_GROUP: &str = "webhooks";
/// The log.
pub const EVENTS: &str = "events";
/// Entries that gave up.
pub const DEAD_LETTERS: &str = "dead-letters";
/// What waits for its time: subtasks by the ms they are due.
pub const DELAYED: &str = "delayed";
/// The entries of what waits for its time.
pub const DELAYED_BODY: &str = "delayed:body";
/// Cancelled tasks by the ms until which workers are told.
pub const CANCELLED: &str = "cancelled";
/// Kinds with their queue and when a worker last announced them.
pub const KINDS: &str = "kinds";
/// Every task by the ms it was created.
pub const TASKS: &str = "tasks";
/// Every task by the ms its life ends: its deadline while open, its end plus the TTL afterwards.
pub const LIFETIMES: &str = "lifetimes";
/// Queues in use.
pub const QUEUES: &str = "queues";
/// Consumers by the ms of their last heartbeat.
pub const WORKERS: &str = "workers";
/// The API's keys by their ids.
pub const API_KEYS: &str = "api-keys";
/// Who is told of ends, by id.
pub const WEBHOOKS: &str = "webhooks";
/// Which of them said that they are there no more, and when.
pub const WEBHOOKS_GONE: &str = "webhooks:gone";
/// Who changed what.
pub const AUDIT: &str = "audit";
/// Schema, epoch, lease and groups of this installation.
pub const META: &str = "meta";

/// The hash that people and the API read.
pub fn task(id: &TaskId) -> String {
    format!("task:{id}")
}

/// Terminal records and progress of a task's subtasks.
pub fn outcomes(id: &TaskId) -> String {
    format!("outcomes:{id}")
}

/// Dependencies of a task.
pub fn plan(id: &TaskId) -> String {
    format!("plan:{id}")
}

/// What a subtask left behind.
pub fn result(id: &SubtaskId) -> String {
    format!("result:{id}")
}

/// Tasks of one status by the ms they were created.
pub fn tasks_with(status: TaskStatus) -> String {
    format!("tasks:{status}")
}

/// Which task a client's idempotency key stands for.
pub fn idempotency(client: &str, key: &str) -> String {
    format!("idempotency:{client}:{key}")
}

/// What a client has left of its allowance.
pub fn rate(client: &str) -> String {
    format!("rate:{client}")
}

/// Deliveries of a webhook that are under way, by the ms they were begun.
pub fn webhook_open(id: &str) -> String {
    format!("webhooks:open:{id}")
}

/// Wakes idle workers of a queue.
pub fn bell(queue: &QueueName) -> String {
    format!("bell:{queue}")
}

/// Who runs this second's maintenance of a queue.
pub fn maintenance(queue: &QueueName) -> String {
    format!("maintenance:{queue}")
}

/// Who audits what is open this minute; no queue has a name like this.
pub const SWEEP: &str = "maintenance:@audit";

/// Who tells webhooks for the moment; no queue has a name like this.
pub const HERALD: &str = "maintenance:@webhooks";

/// Which worker is making room for what runs alone; no queue has a name like this.
pub const SOLITUDE: &str = "maintenance:@alone";

/// A worker's heartbeat.
pub fn worker(consumer: &str) -> String {
    format!("worker:{consumer}")
}

/// The status indexes in the order in which the scripts take them.
pub(crate) fn status_indexes() -> impl Iterator<Item = String> {
    TaskStatus::ALL.iter().map(|status| tasks_with(*status))
}

/// Bell and streams of each queue, in the order in which the scripts take them.
pub(crate) fn of_queues(queues: &[QueueName]) -> impl Iterator<Item = String> {
    queues.iter().flat_map(|queue| std::iter::once(bell(queue)).chain(Stream::of(queue).map(|stream| stream.key())))
}

/// One stream of live attempts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// The queue.
    pub queue: QueueName,
    /// How urgent its entries are.
    pub priority: Priority,
}

impl Stream {
    /// The four streams of a queue, most urgent first.
    pub fn of(queue: &QueueName) -> [Stream; 4] {
        [Priority::Critical, Priority::High, Priority::Medium, Priority::Low]
            .map(|priority| Stream { queue: queue.clone(), priority })
    }

    /// The stream whose key it is, if it is one.
    pub fn of_key(key: &str) -> Option<Self> {
        let (queue, priority) = key.strip_prefix("subtasks:")?.rsplit_once(':')?;
        Some(Self { queue: queue.parse().ok()?, priority: priority.parse().ok()? })
    }

    /// Its key.
    pub fn key(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subtasks:{}:{}", self.queue, self.priority)
    }
}
