//! Giving subtasks without a token one again.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, QueueName, TaskId, WorkEntry};

/// What a task's waiting places lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restoration {
    /// Entries that may run, each with its queue.
    pub ready: Vec<(QueueName, WorkEntry)>,
    /// Entries that are not due yet: when they are, in ms of the Unix epoch, and their queue.
    pub later: Vec<(u64, QueueName, WorkEntry)>,
    /// Fields of the plan that have to go.
    pub plan_gone: Vec<String>,
    /// Fields of the plan as they have to be.
    pub plan_set: Vec<(String, String)>,
}

/// The answer to a restoration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// All of it is there; the task's revision is one more.
    Restored,
    /// Something happened to the task since the caller looked, or it is gone: nothing was written.
    Moved,
}

impl Restoration {
    /// Whether nothing is lacking.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Store {
    /// Restores in one script call, if the task still has `revision`. Sent twice, it answers moved the second time.
    pub async fn restore(
        &self,
        by: &ConsumerName,
        task_id: &TaskId,
        revision: u64,
        wanted: &Restoration,
    ) -> Result<Restored, StoreError> {
        let mut queues: Vec<QueueName> = wanted.ready.iter().map(|(queue, _)| queue.clone()).collect();
        queues.sort();
        queues.dedup();
        let mut args = value::args([
            by.as_str(),
            task_id.as_str(),
            &revision.to_string(),
            &queues.len().to_string(),
            &wanted.ready.len().to_string(),
            &wanted.later.len().to_string(),
            &wanted.plan_gone.len().to_string(),
            &wanted.plan_set.len().to_string(),
        ]);
        args.extend(queues.iter().map(|queue| Value::from(queue.as_str())));
        args.extend(wanted.ready.iter().map(|(queue, entry)| Value::from(encode(queue, entry))));
        for (due_ms, queue, entry) in &wanted.later {
            let body = pack_body(queue, entry);
            args.extend(value::args([entry.subtask_id.as_str(), &due_ms.to_string(), &body]));
        }
        args.extend(wanted.plan_gone.iter().map(|field| Value::from(field.as_str())));
        args.extend(wanted.plan_set.iter().flat_map(|(name, text)| [name.as_str().into(), text.as_str().into()]));
        let mut keys = vec![key::task(task_id), key::plan(task_id)];
        keys.extend([key::EVENTS, key::DELAYED, key::DELAYED_BODY].map(str::to_owned));
        keys.extend(key::of_queues(&queues));
        match value::text(self.eval(&script::RESTORE, keys, args).await?, "restore")?.as_str() {
            "restored" => Ok(Restored::Restored),
            "moved" => Ok(Restored::Moved),
            _ => Err(StoreError::Reply("restore")),
        }
    }
}

/// Queue, rank of priority, then the entry's fields.
fn encode(queue: &QueueName, entry: &WorkEntry) -> String {
    let head = [queue.as_str().into(), (entry.priority.rank() + 1).into()];
    let fields = entry.encode().into_iter().flat_map(|(name, value)| [name.into(), value.into()]);
    serde_json::Value::Array(head.into_iter().chain(fields).collect()).to_string()
}

/// An entry that is in no stream, as the plan and `delayed:body` keep it: a JSON list of its queue and its fields.
pub fn pack_body(queue: &QueueName, entry: &WorkEntry) -> String {
    let fields = entry.encode().into_iter().flat_map(|(name, value)| [name.into(), value.into()]);
    serde_json::Value::Array(std::iter::once(queue.as_str().into()).chain(fields).collect()).to_string()
}
