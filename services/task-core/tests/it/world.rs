//! Books that honest workers, clients and projectors act on, any of them late.

use proto_schemas::{ConsumerName, Fact, Kind, OnFailure, Parent, Priority, QueueName, SubtaskDefinition, TaskId};
use std::collections::BTreeMap;
use task_core::law::bury::{Burial, Bury, Owner};
use task_core::law::cancel::Cancel;
use task_core::law::fold::{Fold, LogEntry};
use task_core::law::hand_back::{HandBack, Unfinished};
use task_core::law::identity::{Attempt, identify, read_lines};
use task_core::law::promote::Promote;
use task_core::law::reap::{Patience, Reap};
use task_core::law::requeue::{Requeue, RequeueItem};
use task_core::law::retry::{FailedAttempt, Retry};
use task_core::law::settle::{Settle, Settlement};
use task_core::law::submit::{Start, Submission, Submitted};
use task_core::law::{Books, EntryId, Fields, Moment, StreamName};

pub const LEASE_MS: u64 = 1_000;
const PATIENCE: Patience = Patience { crashes_max: 3, crashes_cap: 4, alone_deliveries: 1_000 };

/// The books, the clock, and everything that was ever handed to a worker or a projector: whoever acts on it may be
/// late.
pub struct World {
    pub books: Books,
    pub now_ms: u64,
    pub by: ConsumerName,
    plans: BTreeMap<TaskId, Vec<SubtaskDefinition>>,
    submitted: u32,
    leased: Vec<Leased>,
    read: Vec<LogEntry>,
}

/// An entry that was once handed to a worker.
#[derive(Clone)]
pub struct Leased {
    priority: Priority,
    entry_id: EntryId,
    it: Attempt,
}

impl World {
    pub fn new() -> Self {
        let mut books = Books::default();
        for priority in Priority::ALL {
            books.create_group(&work(*priority));
        }
        books.create_group(&StreamName::Events);
        let by = ConsumerName::new("w").unwrap();
        let (plans, leased, read) = Default::default();
        Self { books, now_ms: 1, by, plans, submitted: 0, leased, read }
    }

    pub fn moment(&self) -> Moment {
        Moment::at(self.now_ms)
    }

    pub fn leased(&self, pick: usize) -> Option<Leased> {
        self.leased.get(pick % self.leased.len().max(1)).cloned()
    }

    /// Submits a plan of four: the second and third depend on the first, the last on both.
    pub fn submit(&mut self, priority: Priority, policies: [OnFailure; 2], delay_ms: u64) {
        let task_id = TaskId::new(format!("t{}", self.submitted % 5)).unwrap();
        self.submitted += 1;
        let parents = |child: u32| -> &[u32] { [&[][..], &[0], &[0], &[1, 2]][child as usize] };
        let mut subtasks = vec![SubtaskDefinition::new(Kind::new("k").unwrap(), "d", priority); 4];
        for (child, subtask) in (0..).zip(&mut subtasks) {
            let parent = |&index: &u32| {
                let on_failure = policies[(index as usize + child as usize) % 2];
                Parent { name: Kind::new("p").unwrap(), index, on_failure }
            };
            subtask.depends_on = parents(child).iter().map(parent).collect();
        }
        let order = Submission {
            task_id: task_id.clone(),
            by: self.by.clone(),
            fields: BTreeMap::new(),
            subtasks: subtasks.clone(),
            start: if delay_ms > 0 { Start::After(delay_ms) } else { Start::Now },
            deadline_ms: 9_000,
            has_deadline: false,
            idempotency: None,
            backlog_max: 12,
        };
        let before = self.books.clone();
        match self.books.submit(&mut Moment::at(self.now_ms), &order) {
            Submitted::Created => drop(self.plans.insert(task_id, subtasks)),
            _ => assert_eq!(self.books, before),
        }
    }

    pub fn lease(&mut self, priority: Priority, count: usize) {
        for entry_id in self.books.lease(&work(priority), &self.by, count, self.now_ms) {
            let it = attempt(self.books.entry(&work(priority), entry_id).unwrap());
            self.leased.push(Leased { priority, entry_id, it });
        }
    }

    pub fn settle(&mut self, leased: &Leased, outcome: &str) {
        let Leased { priority, entry_id, it } = leased.clone();
        let (stream, result) = (work(priority), Some("{}".to_owned()));
        let (fact, subtask_id) = (fact(&it, outcome), it.subtask_id);
        let item = Settlement { stream, entry_id, subtask_id, fact, result, result_ttl_ms: 9_000 };
        self.books.settle(&mut self.moment(), &Settle { by: self.by.clone(), items: vec![item] });
    }

    pub fn retry(&mut self, leased: &Leased, delay_ms: u64) {
        let Leased { priority, entry_id, it } = leased.clone();
        let (stream, queue, reason) = (work(priority), queue(), Kind::new("timeout").unwrap());
        let item = FailedAttempt { stream, queue, entry_id, task_id: it.task_id, delay_ms, reason };
        self.books.retry(&mut self.moment(), &Retry { by: self.by.clone(), items: vec![item] });
    }

    pub fn hand_back(&mut self, leased: &Leased, park_ms: u64) {
        let (by, priority) = (self.by.clone(), leased.priority);
        let entries = vec![Unfinished { entry_id: leased.entry_id, task_id: Some(leased.it.task_id.clone()) }];
        self.books.hand_back(&mut self.moment(), &HandBack { by, queue: queue(), priority, park_ms, entries });
    }

    pub fn bury(&mut self, leased: &Leased) {
        let Leased { priority, entry_id, it } = leased.clone();
        let owner = Owner { task_id: it.task_id, subtask_id: it.subtask_id, result: None, result_ttl_ms: 1 };
        let (stream, owner, reason) = (work(priority), Some(owner), Kind::new("fatal").unwrap());
        let item = Burial { stream, entry_id, owner, reason, error: String::new() };
        self.books.bury(&mut self.moment(), &Bury { by: self.by.clone(), items: vec![item] });
    }

    pub fn reap(&mut self) {
        let (by, queue, patience) = (self.by.clone(), queue(), PATIENCE);
        let cursors = Default::default();
        let order = Reap { by, queue, lease_ms: LEASE_MS, not_after_ms: None, count: 3, patience, cursors };
        self.books.reap(&mut self.moment(), &order);
    }

    pub fn promote(&mut self) {
        self.books.promote(&mut self.moment(), &Promote { by: self.by.clone(), count: 3 });
    }

    pub fn cancel(&mut self, pick: usize, only_past: bool) {
        let Some(task_id) = pick_of(self.books.tasks.keys(), pick) else { return };
        let order = Cancel {
            by: self.by.clone(),
            task_id,
            reason: None,
            task_ttl_ms: 9_000,
            hint_ms: 1,
            only_past,
            if_revision: None,
        };
        self.books.cancel(&mut self.moment(), &order);
    }

    /// Requeues those of a task's subtasks that have ended and that the bits of `which` name.
    pub fn requeue(&mut self, pick: usize, which: u8) {
        let Some(task_id) = pick_of(self.books.tasks.keys(), pick) else { return };
        let (plan, state) = (&self.plans[&task_id], &self.books.tasks[&task_id].state);
        let ended = (0..4).filter(|index| which >> index & 1 == 1 && state.record(*index).is_some());
        let item = |index: u32| RequeueItem {
            entry: plan[index as usize].first_attempt(&task_id, index).unwrap(),
            generation: state.generation(index),
            queue: queue(),
            priority: plan[index as usize].priority,
            edges: dependants(plan, index),
        };
        let items: Vec<RequeueItem> = ended.map(item).collect();
        if !items.is_empty() {
            let order = Requeue { by: self.by.clone(), task_id, deadline_ms: 9_000, items, dead_letter: None };
            self.books.requeue(&mut self.moment(), &order);
        }
    }

    pub fn read_log(&mut self, count: usize) {
        for entry_id in self.books.lease(&StreamName::Events, &self.by, count, self.now_ms) {
            let lines = read_lines(self.books.entry(&StreamName::Events, entry_id).unwrap());
            self.read.push(LogEntry { entry_id, lines });
        }
    }

    pub fn fold(&mut self, pick: usize, count: usize) {
        let from = pick % self.read.len().max(1);
        let entries = self.read.iter().skip(from).take(count).cloned().collect();
        let order = Fold { by: self.by.clone(), task_ttl_ms: 9_000, hint_ms: 1, acknowledge: true, entries };
        self.books.fold(&mut self.moment(), &order);
    }

    /// Lets time pass, settles what can be settled and folds all there is.
    pub fn finish(&mut self) {
        for _ in 0..20 {
            self.now_ms += LEASE_MS;
            self.reap();
            self.promote();
            for priority in Priority::ALL {
                self.lease(*priority, 1_000);
            }
            for leased in self.leased.clone() {
                self.settle(&leased, "completed");
            }
            self.read_log(1_000);
            self.fold(0, usize::MAX);
        }
    }
}

fn dependants(plan: &[SubtaskDefinition], parent: u32) -> Vec<(u32, OnFailure)> {
    let edges = (0..).zip(plan).flat_map(|(child, subtask)| subtask.depends_on.iter().map(move |edge| (child, edge)));
    edges.filter(|(_, edge)| edge.index == parent).map(|(child, edge)| (child, edge.on_failure)).collect()
}

fn pick_of<'a>(mut tasks: impl ExactSizeIterator<Item = &'a TaskId>, pick: usize) -> Option<TaskId> {
    let place = pick % tasks.len().max(1);
    tasks.nth(place).cloned()
}

pub fn queue() -> QueueName {
    QueueName::default_queue()
}

fn work(priority: Priority) -> StreamName {
    StreamName::Work(queue(), priority)
}

/// What an entry is about.
pub fn attempt(fields: &Fields) -> Attempt {
    identify(fields).known().expect("only Millstream writes here")
}

/// What an honest worker says of the entry it was given.
pub fn fact(it: &Attempt, word: &str) -> Fact {
    let Attempt { task_id, index, generation, attempt, crashes, .. } = it;
    Fact::decode(&format!("{task_id} {index} {generation} {word} {attempt} {crashes} w 1")).unwrap()
}

impl Leased {
    pub fn fact(&self, word: &str) -> Fact {
        fact(&self.it, word)
    }
}
