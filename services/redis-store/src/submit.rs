//! Accepting a task: everything it needs, or nothing.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Door, Kind, Priority, QueueName, SubtaskDefinition, TaskId};
use std::time::Duration;

/// A planned task.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Chosen by the caller: sending the same submission twice creates one task.
    pub task_id: TaskId,
    /// Who accepts it.
    pub by: ConsumerName,
    /// What the client asked for.
    pub description: String,
    /// How it came in.
    pub door: Door,
    /// How urgent the task is as a whole.
    pub priority: Priority,
    /// The kind of a typed task.
    pub kind: Option<Kind>,
    /// What the client sent along, as JSON text.
    pub context: Option<String>,
    /// The plan, 1 to 1,000 subtasks.
    pub subtasks: Vec<SubtaskDefinition>,
}

/// Bounds that belong to the installation rather than to one task.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// Entries a queue may hold, all priorities together.
    pub backlog_max: u64,
    /// From acceptance to the deadline.
    pub deadline: Duration,
}

/// The answer to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// The task and all its entries are stored.
    Created,
    /// The id is taken: an earlier sending of the same submission arrived.
    Existing,
    /// A queue would exceed its backlog; nothing was stored.
    Overloaded,
}

/// What many subtasks of a task have in common; passed once.
#[derive(PartialEq)]
struct Shape<'a> {
    queue: usize,
    kind: &'a Kind,
    priority: Priority,
    max_attempts: u32,
    timeout_ms: u64,
}

impl Store {
    /// Stores a task in one script call: at most 3,500 arguments for 1,000 subtasks.
    pub async fn submit(&self, submission: &Submission, admission: Admission) -> Result<Submitted, StoreError> {
        let mut queues: Vec<&QueueName> = Vec::new();
        let mut shapes: Vec<Shape> = Vec::new();
        let mut items: Vec<Value> = Vec::with_capacity(submission.subtasks.len() * 3);
        for subtask in &submission.subtasks {
            let queue = position_or_push(&mut queues, &subtask.queue);
            let SubtaskDefinition { kind, priority, max_attempts, timeout_ms, .. } = subtask;
            let (priority, max_attempts, timeout_ms) = (*priority, *max_attempts, *timeout_ms);
            let shape = position_or_push(&mut shapes, Shape { queue, kind, priority, max_attempts, timeout_ms });
            items.push((shape as i64 + 1).into());
            items.push(subtask.description.as_str().into());
            items.push(subtask.params.get().into());
        }
        let plan = serde_json::to_string(&submission.subtasks).map_err(|error| StoreError::Document(error.into()))?;
        let fields = hash_fields(submission, &plan);

        let mut args = value::args([
            submission.by.as_str(),
            submission.task_id.as_str(),
            &admission.deadline.as_millis().to_string(),
            &admission.backlog_max.to_string(),
            &queues.len().to_string(),
            &fields.len().to_string(),
            &shapes.len().to_string(),
            &submission.subtasks.len().to_string(),
        ]);
        args.extend(queues.iter().map(|queue| Value::from(queue.as_str())));
        args.extend(fields.into_iter().flat_map(|(name, value)| [Value::from(name), Value::from(value)]));
        for shape in &shapes {
            args.push((shape.queue as i64 + 1).into());
            args.push((shape.priority.rank() as i64 + 1).into());
            args.push(shape.kind.as_str().into());
            args.push(shape.priority.as_str().into());
            args.push((shape.max_attempts as i64).into());
            args.push((shape.timeout_ms as i64).into());
        }
        args.extend(items);

        let mut keys = vec![
            key::task(&submission.task_id),
            key::EVENTS.to_owned(),
            key::TASKS.to_owned(),
            key::tasks_with(proto_schemas::TaskStatus::Queued),
            key::LIFETIMES.to_owned(),
            key::QUEUES.to_owned(),
        ];
        for queue in queues {
            keys.push(key::bell(queue));
            keys.extend(key::Stream::of(queue).iter().map(key::Stream::key));
        }
        let answer = self.eval(&script::SUBMIT, keys, args).await?;
        match value::text(answer, "submit")?.as_str() {
            "created" => Ok(Submitted::Created),
            "existing" => Ok(Submitted::Existing),
            "overloaded" => Ok(Submitted::Overloaded),
            _ => Err(StoreError::Reply("submit")),
        }
    }
}

fn hash_fields<'a>(submission: &'a Submission, plan: &'a str) -> Vec<(&'static str, &'a str)> {
    let mut fields = vec![
        ("task_id", submission.task_id.as_str()),
        ("description", submission.description.as_str()),
        ("door", submission.door.as_str()),
        ("priority", submission.priority.as_str()),
        ("subtasks", plan),
    ];
    if let Some(kind) = &submission.kind {
        fields.push(("kind", kind.as_str()));
    }
    if let Some(context) = &submission.context {
        fields.push(("context", context));
    }
    fields
}

fn position_or_push<T: PartialEq>(items: &mut Vec<T>, item: T) -> usize {
    // Neighbours are mostly alike, so look from the end.
    if let Some(at) = items.iter().rposition(|known| *known == item) {
        return at;
    }
    items.push(item);
    items.len() - 1
}
