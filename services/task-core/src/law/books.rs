//! The keyspace as values: streams, tasks, results, indexes, bells, workers; and what every transition does to them.
//!
//! An empty list, set or map of Redis does not exist, so it is not in the books either; an empty stream is.

use super::dependencies::Dependencies;
use super::stream::{EntryId, Fields, Moment, Stream, StreamName, text_field};
use crate::fold::TaskState;
use proto_schemas::{ConsumerName, QueueName, SubtaskId, TaskId, TaskStatus, limit};
use std::collections::{BTreeMap, BTreeSet};

/// A task's hash and outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskBook {
    /// What never changes: task_id, description, door, priority, subtasks, kind, context.
    pub fields: BTreeMap<String, String>,
    /// When it was accepted, ms of the Unix epoch.
    pub created_at_ms: u64,
    /// When it may run, if it was submitted for later.
    pub run_at_ms: Option<u64>,
    /// When it is ended if it has not ended.
    pub deadline_at_ms: u64,
    /// How many ms after its start that is, if the client asked for it.
    pub deadline_after_ms: Option<u64>,
    /// Whether anything of it was ever requeued.
    pub has_generations: bool,
    /// What its facts add up to.
    pub state: TaskState,
    /// The greatest time of its records, 0 without any; kept from the first fold on.
    pub outcome_at_ms: Option<u64>,
    /// One more for every call that changed anything.
    pub revision: u64,
}

/// A stored result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// Its bytes.
    pub json: String,
    /// When it goes, ms of the Unix epoch.
    pub expires_at_ms: u64,
}

/// Which task a client's idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The task.
    pub task_id: TaskId,
    /// A digest of the request.
    pub fingerprint: String,
    /// When it is forgotten, ms of the Unix epoch.
    pub expires_at_ms: u64,
}

/// Everything that Millstream keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Books {
    /// The streams that exist.
    pub streams: BTreeMap<StreamName, Stream>,
    /// The tasks that exist.
    pub tasks: BTreeMap<TaskId, TaskBook>,
    /// What their subtasks left behind.
    pub results: BTreeMap<SubtaskId, StoredResult>,
    /// Every task by the ms it was created.
    pub created: BTreeMap<TaskId, u64>,
    /// The same for each status.
    pub by_status: BTreeMap<(TaskStatus, TaskId), u64>,
    /// Every task by the ms its life ends.
    pub lifetimes: BTreeMap<TaskId, u64>,
    /// What is left of the plans of open tasks with dependencies.
    pub plans: BTreeMap<TaskId, Dependencies>,
    /// What waits for its time, by when it is due, ms of the Unix epoch: subtasks, or whatever a stranger wrote.
    pub delayed: BTreeMap<String, u64>,
    /// The packed entries of what waits for its time.
    pub bodies: BTreeMap<String, Vec<u8>>,
    /// Cancelled tasks by the ms until which workers are told.
    pub cancelled: BTreeMap<TaskId, u64>,
    /// Clients' keys, by client and key.
    pub idempotency: BTreeMap<(String, String), StoredKey>,
    /// Dead letters that the bound trimmed away.
    pub dead_letters_trimmed: u64,
    /// Queues in use.
    pub queues: BTreeSet<QueueName>,
    /// Tokens in each bell that has any.
    pub bells: BTreeMap<QueueName, usize>,
    /// Who runs this second's maintenance of a queue, and until when, ms of the Unix epoch.
    pub maintenance: BTreeMap<QueueName, (ConsumerName, u64)>,
    /// What consumers said of themselves, and whether it is forgotten by itself: else a beat was cut off, and they may
    /// be dead for long.
    pub heartbeats: BTreeMap<ConsumerName, bool>,
    /// Every consumer by the ms of its last beat.
    pub workers: BTreeMap<ConsumerName, u64>,
}

impl Books {
    /// Appends an entry, creating the stream if need be.
    pub fn append(&mut self, moment: &mut Moment, name: &StreamName, fields: Fields) -> EntryId {
        self.streams.entry(name.clone()).or_default().append(moment, name, fields)
    }

    /// Creates the group of a stream from its first entry on, and the stream if need be; harmless twice.
    pub fn create_group(&mut self, name: &StreamName) {
        self.streams.entry(name.clone()).or_default().group.get_or_insert_default();
    }

    /// Leases at most `count` undelivered entries of a stream to `consumer`.
    pub fn lease(&mut self, name: &StreamName, consumer: &ConsumerName, count: usize, now_ms: u64) -> Vec<EntryId> {
        self.streams.get_mut(name).map_or_else(Vec::new, |stream| stream.lease(consumer, count, now_ms))
    }

    /// What an entry says, if it is there.
    pub fn entry(&self, name: &StreamName, id: EntryId) -> Option<&Fields> {
        self.streams.get(name)?.entries.get(&id)
    }

    /// Acknowledges an entry; whether it was pending.
    pub(crate) fn acknowledge(&mut self, name: &StreamName, id: EntryId) -> bool {
        self.streams.get_mut(name).is_some_and(|stream| stream.acknowledge(id))
    }

    /// Deletes an entry and answers what it said.
    pub(crate) fn delete(&mut self, name: &StreamName, id: EntryId) -> Option<Fields> {
        self.streams.get_mut(name)?.entries.remove(&id)
    }

    /// Whether a place of a task has an outcome.
    pub(crate) fn has_ended(&self, task_id: &TaskId, place: (u32, u32)) -> bool {
        self.tasks.get(task_id).is_some_and(|task| task.state.records.contains_key(&place))
    }

    /// Lets a subtask wait in `delayed`.
    pub(crate) fn delay(&mut self, subtask_id: &SubtaskId, due_ms: u64, body: Vec<u8>) {
        self.delayed.insert(subtask_id.to_string(), due_ms);
        self.bodies.insert(subtask_id.to_string(), body);
    }

    /// Keeps what changed of a task: one revision more, its place in the indexes, its life if it has just ended; says
    /// whether it has.
    pub(crate) fn write_task(&mut self, task_id: &TaskId, was: TaskStatus, task_ttl_ms: u64) -> bool {
        let Some(task) = self.tasks.get_mut(task_id) else { return false };
        task.revision += 1;
        let (status, created_at_ms) = (task.state.status, task.created_at_ms);
        let outcome_at_ms = *task.outcome_at_ms.get_or_insert(0);
        let has_ended = status.is_terminal() && !was.is_terminal();
        if has_ended {
            self.lifetimes.insert(task_id.clone(), outcome_at_ms + task_ttl_ms);
        }
        if status != was {
            self.by_status.remove(&(was, task_id.clone()));
            self.by_status.insert((status, task_id.clone()), created_at_ms);
        }
        has_ended
    }

    /// Appends the facts of one call to the log, one entry for each 128, or for fewer that are about 1,000 subtasks
    /// together; nothing if there are none.
    pub(crate) fn append_facts(&mut self, moment: &mut Moment, by: &ConsumerName, mut lines: &[String]) {
        while !lines.is_empty() {
            let mut told = 0;
            let fits = |line: &&String| {
                told += subtasks_of(line);
                told <= limit::SUBTASKS_MAX
            };
            let count = lines.iter().take(limit::BATCH_ITEMS_MAX).take_while(fits).count().max(1);
            let (entry, after) = lines.split_at(count);
            let facts = entry.join("\n");
            let fields = [("v", "1"), ("by", by.as_str()), ("facts", &facts)];
            self.append(moment, &StreamName::Events, fields.map(text_field).into());
            lines = after;
        }
    }

    /// Wakes one idle worker for each added entry, as far as the bell has room.
    pub(crate) fn ring(&mut self, queue: &QueueName, added: usize) {
        let tokens = self.bells.get(queue).copied().unwrap_or(0);
        let rung = tokens.max((tokens + added).min(BELL_TOKENS_MAX));
        if rung > 0 {
            self.bells.insert(queue.clone(), rung);
        }
    }
}

/// How many subtasks a line of the log is about.
fn subtasks_of(line: &str) -> usize {
    let range = line.split(' ').nth(1).and_then(|place| place.split_once('-'));
    let ends = range.and_then(|(first, last)| first.parse().ok().zip(last.parse().ok()));
    ends.map_or(1, |(first, last): (usize, usize)| (last + 1).saturating_sub(first))
}

const BELL_TOKENS_MAX: usize = limit::BELL_TOKENS_MAX as usize;

impl TaskBook {
    /// A task that was just accepted.
    pub fn new(fields: BTreeMap<String, String>, total: u32, created_at_ms: u64, deadline_at_ms: u64) -> Self {
        Self {
            fields,
            created_at_ms,
            run_at_ms: None,
            deadline_at_ms,
            deadline_after_ms: None,
            has_generations: false,
            state: TaskState::new(total, created_at_ms),
            outcome_at_ms: None,
            revision: 1,
        }
    }

    /// Notes the time of an outcome.
    pub(crate) fn end_at(&mut self, at_ms: u64) {
        self.outcome_at_ms = Some(self.outcome_at_ms.unwrap_or(0).max(at_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_log_is_about_a_thousand_subtasks_at_most() {
        let entries = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|place| format!("T {place} 0 cancelled 0 0 w 1")).collect();
            let mut books = Books::default();
            books.append_facts(&mut Moment::at(1), &ConsumerName::new("w").unwrap(), &lines);
            let log = books.streams.remove(&StreamName::Events).unwrap_or_default().entries;
            let lines_of = |entry: &Fields| entry[2].1.split(|byte| *byte == b'\n').count();
            log.values().map(lines_of).collect::<Vec<_>>()
        };
        assert_eq!(entries(&[]), [0; 0]);
        assert_eq!(entries(&["7"; 300]), [128, 128, 44]);
        assert_eq!(entries(&["0-498", "0-498", "1", "2", "3"]), [4, 1]);
        assert_eq!(entries(&["0-999", "-", "0-999", "0-4999", "1"]), [1, 1, 1, 1, 1]);
    }

    #[test]
    fn a_bell_holds_64_tokens() {
        let queue = QueueName::default_queue();
        let mut books = Books::default();
        for (added, tokens) in [(0, None), (3, Some(3)), (1_000, Some(64)), (1, Some(64))] {
            books.ring(&queue, added);
            assert_eq!(books.bells.get(&queue).copied(), tokens);
        }
    }
}
