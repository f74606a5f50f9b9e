//! Opening a new generation of what has ended.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, QueueName, SubtaskDefinition, TaskId, WorkEntry};
use std::time::Duration;

/// Subtasks of one task to run again, all of them or none.
#[derive(Debug, Clone)]
pub struct RequeueOrder<'a> {
    /// The task.
    pub task_id: &'a TaskId,
    /// From now to the new deadline of a task that has ended and whose client asked for none.
    pub deadline: Duration,
    /// Which subtasks, by index, each once.
    pub items: Vec<RequeueItem<'a>>,
    /// The dead letter that goes with it.
    pub dead_letter: Option<&'a str>,
}

/// One subtask to run again.
#[derive(Debug, Clone)]
pub struct RequeueItem<'a> {
    /// What runs: generation, attempt, crashes and deadline are set by the call.
    pub entry: WorkEntry,
    /// The generation that is replaced: it must be the current one and have ended.
    pub generation: u32,
    /// As the task's hash keeps it.
    pub definition: &'a SubtaskDefinition,
    /// Who depends on it: `<index>:<on_failure>`, separated by spaces.
    pub edges: String,
}

/// The answer to a requeue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeued {
    /// The task is open again.
    Requeued,
    /// A generation is not the current one or has not ended, or depends on one that is left as it ended and did not
    /// complete, or the task or the letter is gone: nothing was written.
    Gone,
}

impl Store {
    /// Requeues in one script call. Sent twice, it answers gone the second time.
    pub async fn requeue(&self, by: &ConsumerName, order: &RequeueOrder<'_>) -> Result<Requeued, StoreError> {
        let mut queues: Vec<QueueName> = order.items.iter().map(|item| item.definition.queue.clone()).collect();
        queues.sort();
        queues.dedup();
        let mut args = value::args([
            by.as_str(),
            order.task_id.as_str(),
            &order.deadline.as_millis().to_string(),
            order.dead_letter.unwrap_or_default(),
            &queues.len().to_string(),
            &order.items.len().to_string(),
        ]);
        args.extend(queues.iter().map(|queue| Value::from(queue.as_str())));
        for item in &order.items {
            args.push(encode(item).into());
        }
        args.extend(order.items.iter().map(|item| Value::from(item.edges.as_str())));

        let mut keys = vec![key::task(order.task_id), key::outcomes(order.task_id), key::plan(order.task_id)];
        keys.extend([key::EVENTS, key::LIFETIMES, key::CANCELLED, key::DEAD_LETTERS].map(str::to_owned));
        keys.extend(key::status_indexes());
        keys.extend(key::of_queues(&queues));
        keys.extend(order.items.iter().map(|item| key::result(&item.entry.subtask_id)));
        match value::text(self.eval(&script::REQUEUE, keys, args).await?, "requeue")?.as_str() {
            "requeued" => Ok(Requeued::Requeued),
            "gone" => Ok(Requeued::Gone),
            _ => Err(StoreError::Reply("requeue")),
        }
    }
}

/// Index, generation, queue, rank of priority, then the entry's fields as a first attempt.
fn encode(item: &RequeueItem) -> String {
    let SubtaskDefinition { queue, priority, .. } = item.definition;
    let head = [item.entry.index.into(), item.generation.into(), queue.as_str().into(), (priority.rank() + 1).into()];
    let first = WorkEntry { attempt: 1, crashes: 0, history: None, ..item.entry.clone() };
    let entry = WorkEntry { deadline_ms: None, parked_at_ms: None, ..first };
    let fields = entry.encode().into_iter().flat_map(|(name, value)| [name.into(), value.into()]);
    serde_json::Value::Array(head.into_iter().chain(fields).collect()).to_string()
}
