//! Accepting a task: everything it needs, or nothing.

use crate::batch::position_or_push;
use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Door, Kind, Parent, Priority, QueueName, SubtaskDefinition, TaskId, limit};
use std::collections::{BTreeMap, HashSet};
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
    /// When it may start.
    pub start: Start,
    /// From its start to its deadline, if the client says so; its entries then carry it.
    pub deadline: Option<Duration>,
    /// The trace context that its entries carry: where the span of its acceptance stands.
    pub traceparent: Option<String>,
    /// The client's key for this request.
    pub idempotency: Option<Idempotency>,
    /// The plan, 1 to 1,000 subtasks, without a cycle.
    pub subtasks: Vec<SubtaskDefinition>,
}

impl Submission {
    /// A task of the native door that starts at once, with nothing that may be left out.
    pub fn new(task_id: TaskId, by: ConsumerName, description: String, subtasks: Vec<SubtaskDefinition>) -> Self {
        Self {
            task_id,
            by,
            description,
            door: Door::Native,
            priority: Priority::Medium,
            kind: None,
            context: None,
            start: Start::Now,
            deadline: None,
            traceparent: None,
            idempotency: None,
            subtasks,
        }
    }
}

/// When a task may start, by Redis' clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// So long after its acceptance.
    After(Duration),
    /// At this ms of the Unix epoch; at once if that is over.
    At(u64),
}

/// A client's key for a request, and what the request was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Whose key it is.
    pub client: String,
    /// The key.
    pub key: String,
    /// A digest of the request: without spaces.
    pub fingerprint: String,
}

/// Bounds that belong to the installation rather than to one task.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// Entries a queue may hold, all priorities and what waits for its time together.
    pub backlog_max: u64,
    /// From its start to the deadline of a task that has none of its own.
    pub deadline: Duration,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// The task and all its entries are stored.
    Created,
    /// An earlier sending arrived, of the same id or with the same key and fingerprint: this is its task.
    Existing(TaskId),
    /// The key was used for another request; nothing was stored.
    Conflict,
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
    more: Vec<(&'static str, u64)>,
}

impl Store {
    /// Stores a task in one script call: at most 3,500 arguments for 1,000 subtasks.
    pub async fn submit(&self, submission: &Submission, admission: Admission) -> Result<Submitted, StoreError> {
        let deadline = submission.deadline.unwrap_or(admission.deadline);
        let (mut queues, mut shapes): (Vec<&QueueName>, Vec<Shape>) = Default::default();
        let mut items: Vec<Value> = Vec::with_capacity(submission.subtasks.len() * 3);
        let awaited: HashSet<u32> =
            submission.subtasks.iter().flat_map(|subtask| &subtask.depends_on).map(|parent| parent.index).collect();
        for (index, subtask) in (0..).zip(&submission.subtasks) {
            let queue = position_or_push(&mut queues, &subtask.queue);
            let SubtaskDefinition { kind, priority, max_attempts, timeout_ms, .. } = subtask;
            let (priority, max_attempts, timeout_ms) = (*priority, *max_attempts, *timeout_ms);
            let more = further_fields(subtask, awaited.contains(&index).then_some(deadline));
            let shape = Shape { queue, kind, priority, max_attempts, timeout_ms, more };
            items.push((position_or_push(&mut shapes, shape) as i64 + 1).into());
            items.push(subtask.description.as_str().into());
            items.push(subtask.params.get().into());
        }
        let plan = serde_json::to_string(&submission.subtasks).map_err(|error| StoreError::Document(error.into()))?;
        let kinds = kinds(&submission.subtasks);
        let fields = hash_fields(submission, &plan, &kinds);
        let (delay_ms, run_at_ms) = match submission.start {
            Start::Now => (0, 0),
            Start::After(delay) => (delay.as_millis() as u64, 0),
            Start::At(ms) => (0, ms),
        };

        let mut args = value::args([
            submission.by.as_str(),
            submission.task_id.as_str(),
            &delay_ms.to_string(),
            &run_at_ms.to_string(),
            &deadline.as_millis().to_string(),
            if submission.deadline.is_some() { "1" } else { "" },
            &admission.backlog_max.to_string(),
            submission.idempotency.as_ref().map_or("", |it| it.fingerprint.as_str()),
            &limit::IDEMPOTENCY_TTL_SECONDS.to_string(),
            &queues.len().to_string(),
            &fields.len().to_string(),
            &shapes.len().to_string(),
            &submission.subtasks.len().to_string(),
        ]);
        args.extend(queues.iter().map(|queue| Value::from(queue.as_str())));
        args.extend(fields.into_iter().flat_map(|(name, value)| [Value::from(name), Value::from(value)]));
        args.extend(shapes.iter().flat_map(|shape| shape_args(shape, submission.traceparent.as_deref())));
        args.extend(items);
        args.push(parents(&submission.subtasks).into());
        let answer = value::words(self.eval(&script::SUBMIT, keys(submission, &queues), args).await?, "submit")?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["created", _] => Ok(Submitted::Created),
            ["existing", id] => TaskId::new(id).map(Submitted::Existing).map_err(|_| StoreError::Reply("submit")),
            ["conflict", _] => Ok(Submitted::Conflict),
            ["overloaded"] => Ok(Submitted::Overloaded),
            _ => Err(StoreError::Reply("submit")),
        }
    }
}

impl Store {
    /// Has a key stand for a request that stores nothing under it itself; whether it stands for this one. Idempotent.
    pub async fn claim_request(&self, request: &Idempotency) -> Result<bool, StoreError> {
        let (key, text) = (key::idempotency(&request.client, &request.key), format!("- {}", request.fingerprint));
        let seconds = limit::IDEMPOTENCY_TTL_SECONDS.to_string();
        self.command("SET", value::args([&*key, &text, "EX", &seconds, "NX"])).await?;
        let known = self.command("GET", value::args([&*key])).await?.into_string().unwrap_or_default();
        Ok(known == text)
    }

    /// The task that the same request with the same key stored, whether or not it is still there.
    pub async fn task_of_request(&self, request: &Idempotency) -> Result<Option<TaskId>, StoreError> {
        let args = value::args([&*key::idempotency(&request.client, &request.key)]);
        let known = self.command("GET", args).await?.into_string().unwrap_or_default();
        let known = known.split_once(' ').filter(|(_, fingerprint)| *fingerprint == request.fingerprint);
        Ok(known.and_then(|(task_id, _)| TaskId::new(task_id).ok()))
    }
}

fn keys(submission: &Submission, queues: &[&QueueName]) -> Vec<String> {
    let task_id = &submission.task_id;
    let task = key::task(task_id);
    let idempotency = submission.idempotency.as_ref();
    // Without a key the script does not look at it: any key that the call has anyway will do.
    let idempotency = idempotency.map_or_else(|| task.clone(), |it| key::idempotency(&it.client, &it.key));
    let mut keys =
        vec![task, key::outcomes(task_id), key::plan(task_id), key::EVENTS.to_owned(), key::TASKS.to_owned()];
    keys.push(key::tasks_with(proto_schemas::TaskStatus::Queued));
    keys.extend([key::LIFETIMES, key::QUEUES, key::DELAYED, key::DELAYED_BODY].map(str::to_owned));
    keys.push(idempotency);
    let queues: Vec<QueueName> = queues.iter().map(|queue| (*queue).clone()).collect();
    keys.extend(key::of_queues(&queues));
    keys
}

/// Each kind of a plan once, in its order: a list of tasks shows it without reading the plan.
fn kinds(subtasks: &[SubtaskDefinition]) -> String {
    let mut kinds: Vec<&Kind> = Vec::new();
    for subtask in subtasks {
        position_or_push(&mut kinds, &subtask.kind);
    }
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" ")
}

fn hash_fields<'a>(submission: &'a Submission, plan: &'a str, kinds: &'a str) -> Vec<(&'static str, &'a str)> {
    let mut fields = vec![
        ("task_id", submission.task_id.as_str()),
        ("description", submission.description.as_str()),
        ("door", submission.door.as_str()),
        ("priority", submission.priority.as_str()),
        ("subtasks", plan),
        ("kinds", kinds),
    ];
    if let Some(kind) = &submission.kind {
        fields.push(("kind", kind.as_str()));
    }
    if let Some(context) = &submission.context {
        fields.push(("context", context));
    }
    fields
}

/// The fields of an entry that most entries lack. A result that others wait for is kept until a day after the deadline.
fn further_fields(subtask: &SubtaskDefinition, awaited_for: Option<Duration>) -> Vec<(&'static str, u64)> {
    let unless = |value: u64, default: u64| (value != default).then_some(value);
    let result_ttl_s = awaited_for.map(|deadline| deadline.as_secs() + limit::RESULT_TTL_SECONDS);
    let fields = [
        ("backoff_base_ms", unless(subtask.backoff_base_ms, limit::BACKOFF_BASE_MS)),
        ("backoff_cap_ms", unless(subtask.backoff_cap_ms, limit::BACKOFF_CAP_MS)),
        ("result_ttl_s", result_ttl_s),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn shape_args(shape: &Shape, traceparent: Option<&str>) -> [Value; 7] {
    let numbers = shape.more.iter().map(|(name, value)| (*name, value.to_string()));
    let text = traceparent.map(|text| ("traceparent", text.to_owned()));
    let more: Vec<String> = numbers.chain(text).flat_map(|(name, value)| [name.to_owned(), value]).collect();
    [
        (shape.queue as i64 + 1).into(),
        (shape.priority.rank() as i64 + 1).into(),
        shape.kind.as_str().into(),
        shape.priority.as_str().into(),
        (shape.max_attempts as i64).into(),
        (shape.timeout_ms as i64).into(),
        serde_json::to_string(&more).expect("a list of strings is JSON").into(),
    ]
}

/// A JSON object from the index of each subtask that depends on others to its parents.
fn parents(subtasks: &[SubtaskDefinition]) -> String {
    let parents: BTreeMap<String, String> = (0..)
        .zip(subtasks)
        .filter(|(_, subtask): &(u32, _)| !subtask.depends_on.is_empty())
        .map(|(index, subtask)| (index.to_string(), Parent::encode_all(&subtask.depends_on)))
        .collect();
    serde_json::to_string(&parents).expect("a map of strings is JSON")
}
