//! Accepting a task: its hash, what may run now as entries, the others in `delayed` or in its plan, its places in the
//! indexes and the fact `created`; or nothing.

use super::body::pack;
use super::stream::text_field;
use super::{Books, Fields, Moment, StoredKey, StreamName, TaskBook};
use proto_schemas::limit::{IDEMPOTENCY_TTL_SECONDS, RESULT_TTL_SECONDS};
use proto_schemas::{ConsumerName, OnFailure, Priority, QueueName, SubtaskDefinition, TaskId, TaskStatus, WorkEntry};
use std::collections::BTreeMap;

/// A planned task and the bounds of the installation.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Sending the same id twice creates one task. Leaves room for `-<index>`.
    pub task_id: TaskId,
    /// Who accepts it.
    pub by: ConsumerName,
    /// What the hash keeps beside status, counters and times.
    pub fields: BTreeMap<String, String>,
    /// The plan, 1 to 1,000 subtasks, without a cycle.
    pub subtasks: Vec<SubtaskDefinition>,
    /// When it may start.
    pub start: Start,
    /// Ms from its start to its deadline.
    pub deadline_ms: u64,
    /// Whether the client asked for it: the hash keeps it and entries carry it.
    pub has_deadline: bool,
    /// The client's key for this request.
    pub idempotency: Option<Idempotency>,
    /// Entries a queue may hold, all priorities and what waits for its time together.
    pub backlog_max: u64,
}

/// When a task may start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// So many ms after its acceptance.
    After(u64),
    /// At this ms of the Unix epoch; at once if that is over.
    At(u64),
}

/// A client's key for a request, and what the request was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Client and key.
    pub key: (String, String),
    /// A digest of the request.
    pub fingerprint: String,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// The task and all its entries are stored.
    Created,
    /// The id is taken, or the key with the same fingerprint: this is its task.
    Existing(TaskId),
    /// The key was used for another request; nothing was stored.
    Conflict,
    /// A queue would exceed its backlog; nothing was stored.
    Overloaded,
}

impl Books {
    /// Stores a task and everything it needs, or nothing.
    pub fn submit(&mut self, moment: &mut Moment, order: &Submission) -> Submitted {
        if let Some(refused) = self.refuse(order) {
            return refused;
        }
        let (task_id, now_ms) = (&order.task_id, moment.now_ms);
        let starts_at_ms = match order.start {
            Start::Now => now_ms,
            Start::After(delay_ms) => now_ms + delay_ms,
            Start::At(run_at_ms) => run_at_ms.max(now_ms),
        };
        let deadline_at_ms = starts_at_ms + order.deadline_ms;
        let mut task = TaskBook::new(order.fields.clone(), order.subtasks.len() as u32, now_ms, deadline_at_ms);
        task.deadline_after_ms = order.has_deadline.then_some(order.deadline_ms);
        task.run_at_ms = (starts_at_ms > now_ms).then_some(starts_at_ms);
        self.tasks.insert(task_id.clone(), task);
        for index in 0..order.subtasks.len() {
            self.place(moment, order, index, starts_at_ms);
        }
        self.link(order);
        if let Some(Idempotency { key, fingerprint }) = order.idempotency.clone() {
            let expires_at_ms = now_ms + 1_000 * IDEMPOTENCY_TTL_SECONDS;
            self.idempotency.insert(key, StoredKey { task_id: task_id.clone(), fingerprint, expires_at_ms });
        }
        self.created.insert(task_id.clone(), now_ms);
        self.by_status.insert((TaskStatus::Queued, task_id.clone()), now_ms);
        self.lifetimes.insert(task_id.clone(), deadline_at_ms);
        self.append_facts(moment, &order.by, &[format!("{task_id} - 0 created 0 0 {} {now_ms}", order.by)]);
        self.queues.extend(order.subtasks.iter().map(|subtask| subtask.queue.clone()));
        Submitted::Created
    }

    /// Entries in the four streams of a queue, and what waits for its time in any.
    pub fn backlog(&self, queue: &QueueName) -> usize {
        let streams = Priority::ALL.iter().map(|priority| StreamName::Work(queue.clone(), *priority));
        let entries = streams.filter_map(|name| self.streams.get(&name)).map(|stream| stream.entries.len());
        entries.sum::<usize>() + self.delayed.len()
    }

    fn refuse(&self, order: &Submission) -> Option<Submitted> {
        let known = order.idempotency.as_ref().and_then(|it| Some((it, self.idempotency.get(&it.key)?)));
        if let Some((asked, known)) = known {
            let is_same = asked.fingerprint == known.fingerprint;
            return Some(if is_same { Submitted::Existing(known.task_id.clone()) } else { Submitted::Conflict });
        }
        if self.tasks.contains_key(&order.task_id) {
            return Some(Submitted::Existing(order.task_id.clone()));
        }
        let mut added: BTreeMap<&QueueName, usize> = BTreeMap::new();
        for subtask in &order.subtasks {
            *added.entry(&subtask.queue).or_default() += 1;
        }
        let is_full = |(queue, count): (&&QueueName, &usize)| (self.backlog(queue) + count) as u64 > order.backlog_max;
        added.iter().any(is_full).then_some(Submitted::Overloaded)
    }

    /// Puts one subtask where it waits: for its parents, for its time, or for a worker.
    fn place(&mut self, moment: &mut Moment, order: &Submission, index: usize, starts_at_ms: u64) {
        let (subtask, entry) = (&order.subtasks[index], first_entry(order, index, starts_at_ms));
        let fields: Fields = entry.encode().iter().map(|(name, value)| text_field((name, value))).collect();
        if !entry.parents.is_empty() {
            let parents = entry.parents.iter().map(|parent| parent.index).collect();
            let plan = self.plans.entry(order.task_id.clone()).or_default();
            plan.block(index as u32, pack(&subtask.queue, &fields), parents);
        } else if starts_at_ms > moment.now_ms {
            self.delay(&entry.subtask_id, starts_at_ms, pack(&subtask.queue, &fields));
        } else {
            self.append(moment, &StreamName::Work(subtask.queue.clone(), subtask.priority), fields);
            self.ring(&subtask.queue, 1);
        }
    }

    /// Keeps who depends on whom.
    fn link(&mut self, order: &Submission) {
        let edges = edges(&order.subtasks);
        if !edges.is_empty() {
            let plan = self.plans.entry(order.task_id.clone()).or_default();
            plan.queues = order.subtasks.iter().map(|subtask| subtask.queue.clone()).collect();
            plan.edges.extend(edges);
        }
    }
}

/// Who depends on each subtask that anyone depends on.
fn edges(subtasks: &[SubtaskDefinition]) -> BTreeMap<u32, Vec<(u32, OnFailure)>> {
    let mut edges: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for (child, subtask) in (0..).zip(subtasks) {
        for parent in &subtask.depends_on {
            edges.entry(parent.index).or_default().push((child, parent.on_failure));
        }
    }
    edges
}

/// The first attempt; a result that others wait for is kept until a day after the deadline.
fn first_entry(order: &Submission, index: usize, starts_at_ms: u64) -> WorkEntry {
    let first = order.subtasks[index].first_attempt(&order.task_id, index as u32);
    let is_awaited =
        order.subtasks.iter().flat_map(|subtask| &subtask.depends_on).any(|parent| parent.index as usize == index);
    WorkEntry {
        deadline_ms: order.has_deadline.then_some(starts_at_ms + order.deadline_ms),
        result_ttl_s: is_awaited.then_some(order.deadline_ms / 1_000 + RESULT_TTL_SECONDS),
        ..first.expect("a submitted task's id leaves room for an index")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Planner, Rules};
    use proto_schemas::Parent;

    fn order() -> Submission {
        Submission {
            task_id: TaskId::new("T").unwrap(),
            by: ConsumerName::new("o").unwrap(),
            fields: BTreeMap::new(),
            subtasks: Rules::built_in().plan("authentication", Priority::High),
            start: Start::Now,
            deadline_ms: 100,
            has_deadline: false,
            idempotency: None,
            backlog_max: 4,
        }
    }

    #[test]
    fn a_task_is_stored_once_and_whole_or_not_at_all() {
        let order = order();
        let mut books = Books::default();
        assert_eq!(books.submit(&mut Moment::at(7), &order), Submitted::Created);
        let queue = QueueName::default_queue();
        assert_eq!((books.backlog(&queue), books.bells[&queue], books.lifetimes[&order.task_id]), (4, 4, 107));
        let before = books.clone();
        assert_eq!(books.submit(&mut Moment::at(8), &order), Submitted::Existing(order.task_id.clone()));
        let other = Submission { task_id: TaskId::new("U").unwrap(), ..order };
        assert_eq!(books.submit(&mut Moment::at(8), &other), Submitted::Overloaded);
        assert_eq!(books, before);
    }

    #[test]
    fn a_key_stands_for_the_request_it_was_first_used_with() {
        let key =
            |fingerprint: &str| Some(Idempotency { key: ("c".into(), "k".into()), fingerprint: fingerprint.into() });
        let mut books = Books::default();
        let first = Submission { idempotency: key("f"), ..order() };
        assert_eq!(books.submit(&mut Moment::at(7), &first), Submitted::Created);
        let again = Submission { task_id: TaskId::new("U").unwrap(), ..first.clone() };
        assert_eq!(books.submit(&mut Moment::at(8), &again), Submitted::Existing(first.task_id));
        let other = Submission { idempotency: key("g"), ..again };
        assert_eq!(books.submit(&mut Moment::at(8), &other), Submitted::Conflict);
    }

    #[test]
    fn what_may_not_run_yet_waits_for_its_parents_or_for_its_time() {
        let mut order = Submission { start: Start::After(50), has_deadline: true, ..order() };
        order.subtasks.truncate(2);
        let parent = Parent { name: "a".parse().unwrap(), index: 0, on_failure: OnFailure::Skip };
        order.subtasks[1].depends_on = vec![parent];
        let mut books = Books::default();
        books.submit(&mut Moment::at(7), &order);
        assert_eq!(books.delayed, BTreeMap::from([("T-0".to_owned(), 57)]));
        let plan = &books.plans[&order.task_id];
        assert_eq!((&plan.waits[&1], &plan.edges[&0]), (&vec![0], &vec![(1, OnFailure::Skip)]));
        let body = String::from_utf8(books.bodies["T-0"].clone()).unwrap();
        assert!(body.contains("\"deadline_ms\",\"157\",\"result_ttl_s\",\"86400\""), "{body}");
        assert!(books.bells.is_empty());
        assert_eq!((books.tasks[&order.task_id].run_at_ms, books.lifetimes[&order.task_id]), (Some(57), 157));
    }
}
