//! Why a task does not go on: what each of its open subtasks waits for, judged by what Redis holds now.

use super::unrecorded::unrecorded;
use crate::context::Context;
use crate::refusal::Refusal;
use crate::wire::subtask::{self, SubtaskDocument};
use crate::wire::time::Timestamp;
use crate::wire::why::{Explanation, WaitCause, WaitDocument};
use crate::wire::word::SubtaskStatus;
use proto_schemas::{SubtaskDefinition, SubtaskId, TaskId};
use redis_store::fleet::FleetWorker;
use redis_store::read::TaskView;
use redis_store::{Store, StoreError, Stream};
use std::collections::BTreeMap;
use std::time::Duration;

/// Open subtasks that are explained.
const WAITS_MAX: usize = 100;
/// Workers that are asked what they serve.
const WORKERS_MAX: usize = 1_000;

/// What is known of the world outside the task.
struct World {
    fleet: Vec<FleetWorker>,
    /// When what is delayed is due, ms by subtask.
    due_ms: BTreeMap<String, u64>,
    /// Entries that nobody has read, by stream.
    ready: BTreeMap<Stream, u64>,
    /// How old the task's document may be, if the projectors are behind.
    unrecorded: Option<Duration>,
}

/// The explanation of a task.
pub async fn why(context: &Context, task_id: &TaskId) -> Result<Explanation, Refusal> {
    let asked = async {
        let Some(view) = context.store.task(task_id).await? else { return Ok(None) };
        let now_ms = context.store.now_ms().await?;
        let documents = subtask::documents(&view, now_ms);
        // Boxed: it asks for much at once, and would be part of the future of every request.
        let world = Box::pin(World::read(&context.store, &view, &documents)).await?;
        Ok::<_, StoreError>(Some(explain(&view, documents, &world)))
    };
    context.ask(asked).await?.ok_or(Refusal::TaskNotFound)
}

fn is_open(document: &SubtaskDocument) -> bool {
    !matches!(document.status, SubtaskStatus::Completed | SubtaskStatus::Failed | SubtaskStatus::Cancelled)
}

fn explain(view: &TaskView, documents: Vec<SubtaskDocument>, world: &World) -> Explanation {
    let open: Vec<&SubtaskDocument> = documents.iter().filter(|document| is_open(document)).collect();
    let has_ended = |index: u32| documents.get(index as usize).is_none_or(|document| !is_open(document));
    let wait = |document: &&SubtaskDocument| {
        let definition = &view.task.subtasks[document.index as usize];
        let mut wait = world.wait(document, definition);
        wait.parents = wait.parents.map(|parents| parents.into_iter().filter(|index| !has_ended(*index)).collect());
        wait
    };
    let waits: Vec<WaitDocument> = open.iter().take(WAITS_MAX).map(wait).collect();
    let summary = match waits.iter().find(|wait| wait.cause != WaitCause::Dependency).or(waits.first()) {
        None => "every subtask has ended".to_owned(),
        Some(first) => format!("subtask {}: {}", first.index, first.detail),
    };
    let (task_id, status) = (view.task.task_id.to_string(), view.task.status.into());
    Explanation { task_id, status, summary, more: (open.len() - waits.len()) as u64, waits }
}

impl World {
    async fn read(store: &Store, view: &TaskView, documents: &[SubtaskDocument]) -> Result<Self, StoreError> {
        let open = || documents.iter().filter(|document| is_open(document)).take(WAITS_MAX);
        let ids: Vec<SubtaskId> = open().filter_map(|it| view.task.task_id.subtask(it.index).ok()).collect();
        let mut queues: Vec<_> = open().map(|it| &view.task.subtasks[it.index as usize].queue).collect();
        queues.sort();
        queues.dedup();
        let streams: Vec<Stream> = queues.into_iter().flat_map(Stream::of).collect();
        let now_ms = store.now_ms().await?;
        let (due, ready, (fleet, _), unrecorded) = tokio::try_join!(
            store.due_times(&ids),
            store.ready_counts(&streams),
            store.fleet(now_ms, WORKERS_MAX),
            unrecorded(store, &view.task.task_id, now_ms),
        )?;
        let due = ids.iter().map(ToString::to_string).zip(due);
        let due_ms = due.filter_map(|(id, ms)| Some((id, ms?))).collect();
        Ok(Self { fleet, due_ms, ready: streams.into_iter().zip(ready).collect(), unrecorded })
    }

    fn wait(&self, document: &SubtaskDocument, definition: &SubtaskDefinition) -> WaitDocument {
        let due = self.due_ms.get(&document.subtask_id).copied().map(Timestamp::from_ms);
        let is = |cause, detail: String| WaitDocument {
            subtask_id: document.subtask_id.clone(),
            index: document.index,
            status: document.status,
            cause,
            detail,
            until: None,
            parents: None,
            ahead_max: None,
        };
        let worker = document.worker.as_deref().unwrap_or("a worker");
        let is_of_now = match document.status {
            SubtaskStatus::Blocked => true, // by the fold itself: its parents tell of the projectors
            SubtaskStatus::Delayed => due.is_some(),
            _ => false,
        };
        if let Some(age) = self.unrecorded.filter(|_| !is_of_now) {
            return is(WaitCause::NoProjector, stale(document.status, worker, age));
        }
        match document.status {
            SubtaskStatus::Running => match self.fleet.iter().any(|it| it.consumer.as_str() == worker) {
                true => is(WaitCause::Running, format!("it runs on {worker}")),
                false => is(
                    WaitCause::LostWorker,
                    format!("it ran on {worker}, which has said nothing for a minute: another worker takes it over"),
                ),
            },
            SubtaskStatus::Blocked => {
                let parents: Vec<u32> = definition.depends_on.iter().map(|parent| parent.index).collect();
                let detail = "it waits for subtasks that it depends on".to_owned();
                WaitDocument { parents: Some(parents), ..is(WaitCause::Dependency, detail) }
            }
            // One that is due has been moved to its stream, of which no fact tells.
            SubtaskStatus::Delayed if due.is_some() => {
                let (cause, detail) = match document.reason.as_deref() {
                    Some("retrying") => (WaitCause::Retry, "an attempt has failed: the next one waits for its time"),
                    Some("parked") => (WaitCause::Parked, "a worker that does not serve its kind has met it"),
                    _ => (WaitCause::RunAt, "its task may not start yet"),
                };
                WaitDocument { until: due, ..is(cause, detail.to_owned()) }
            }
            _ => self.queued(definition, is),
        }
    }

    /// What keeps one that could run.
    fn queued(&self, definition: &SubtaskDefinition, is: impl Fn(WaitCause, String) -> WaitDocument) -> WaitDocument {
        let kind = definition.kind.as_str();
        let serving =
            || self.fleet.iter().filter(|it| !it.beat.is_draining && it.beat.kinds.split(',').any(|it| it == kind));
        let stream = Stream { queue: definition.queue.clone(), priority: definition.priority };
        let ready = self.ready.get(&stream).copied().unwrap_or(0);
        if serving().next().is_none() {
            return is(WaitCause::NoWorker, format!("no worker that lives serves {kind}"));
        }
        if ready == 0 {
            return is(WaitCause::InHand, "a worker has just taken it, or its end is about to be recorded".to_owned());
        }
        let more_urgent = Stream::of(&definition.queue).into_iter().take_while(|it| it.priority != definition.priority);
        let ahead_max = ready - 1 + more_urgent.filter_map(|stream| self.ready.get(&stream)).sum::<u64>();
        let (slots, running) =
            serving().fold((0, 0), |(slots, running), it| (slots + it.beat.slots, running + it.beat.running));
        let free = slots.saturating_sub(running);
        let detail = format!(
            "it waits for a free slot: at most {ahead_max} entries are taken before it, {free} of {slots} slots are free"
        );
        WaitDocument { ahead_max: Some(ahead_max), ..is(WaitCause::Backlog, detail) }
    }
}

/// What is known of a subtask of which newer facts may not be recorded.
fn stale(status: SubtaskStatus, worker: &str, age: Duration) -> String {
    let told = match status {
        SubtaskStatus::Running => format!("it ran on {worker}"),
        SubtaskStatus::Delayed => "it was delayed".to_owned(),
        _ => "it was queued".to_owned(),
    };
    let seconds = age.as_secs();
    format!("when last recorded {told}: no projector has recorded all that happened in the last {seconds} s")
}
