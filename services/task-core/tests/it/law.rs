//! Token conservation over random histories of honest workers and strangers' delays: a subtask that has not ended has
//! exactly one token, a work entry or an unfolded terminal fact; one that has ended has its record and no token.

use proptest::prelude::*;
use proto_schemas::{ConsumerName, Fact, Kind, Priority, QueueName, Record, TaskId};
use std::collections::BTreeMap;
use task_core::law::bury::{Burial, Bury};
use task_core::law::fold::{Fold, LogEntry};
use task_core::law::hand_back::HandBack;
use task_core::law::identity::{Identity, identify, read_lines};
use task_core::law::reap::Reap;
use task_core::law::settle::{Settle, Settlement};
use task_core::law::start::Start;
use task_core::law::submit::{Submission, Submitted};
use task_core::law::{Books, EntryId, Fields, Moment, StreamName};
use task_core::{Planner, Rules};

const LEASE_MS: u64 = 1_000;

#[derive(Debug, Clone)]
enum Step {
    Submit(Priority),
    Lease(Priority, usize),
    Start(usize),
    Settle(usize, &'static str),
    HandBack(usize),
    Bury(usize),
    Reap,
    ReadLog(usize),
    Fold(usize, usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let priority = || prop::sample::select(&Priority::ALL[1..3]);
    prop_oneof![
        2 => priority().prop_map(Step::Submit),
        5 => (priority(), 1_usize..5).prop_map(|(priority, count)| Step::Lease(priority, count)),
        2 => (0_usize..100).prop_map(Step::Start),
        6 => (0_usize..100, prop::sample::select(vec!["completed", "failed"]))
            .prop_map(|(pick, outcome)| Step::Settle(pick, outcome)),
        2 => (0_usize..100).prop_map(Step::HandBack),
        1 => (0_usize..100).prop_map(Step::Bury),
        3 => Just(Step::Reap),
        4 => (1_usize..4).prop_map(Step::ReadLog),
        4 => (0_usize..100, 1_usize..4).prop_map(|(pick, count)| Step::Fold(pick, count)),
        3 => (1_u64..900).prop_map(Step::Wait),
    ]
}

/// The books, the clock, and everything that was ever handed to a worker or a projector: whoever acts on it may be late.
struct World {
    books: Books,
    now_ms: u64,
    submitted: u32,
    leased: Vec<(Priority, EntryId, Fields)>,
    read: Vec<LogEntry>,
    by: ConsumerName,
}

impl World {
    fn new() -> Self {
        let mut books = Books::default();
        for priority in Priority::ALL {
            books.create_group(&work(*priority));
        }
        books.create_group(&StreamName::Events);
        let by = ConsumerName::new("w").unwrap();
        Self { books, now_ms: 1, submitted: 0, leased: Vec::new(), read: Vec::new(), by }
    }

    fn take(&mut self, step: &Step) {
        let (mut moment, by) = (Moment::at(self.now_ms), self.by.clone());
        let leased = |pick: usize| self.leased.get(pick % self.leased.len().max(1)).cloned();
        match *step {
            Step::Submit(priority) => self.submit(priority),
            Step::Lease(priority, count) => self.lease(priority, count),
            Step::Start(pick) => {
                let facts = leased(pick).map(|(_, _, fields)| fact(&fields, "started")).into_iter().collect();
                self.books.start(&mut moment, &Start { by, facts });
            }
            Step::Settle(pick, outcome) => {
                if let Some((priority, entry_id, fields)) = leased(pick) {
                    self.settle(priority, entry_id, fact(&fields, outcome));
                }
            }
            Step::HandBack(pick) => {
                if let Some((priority, entry_id, _)) = leased(pick) {
                    let order = HandBack { by, queue: queue(), priority, entry_ids: vec![entry_id] };
                    self.books.hand_back(&mut moment, &order);
                }
            }
            Step::Bury(pick) => {
                if let Some((priority, entry_id, _)) = leased(pick) {
                    let item = Burial { entry_id, reason: Kind::new("fatal").unwrap(), error: String::new() };
                    self.books.bury(&mut moment, &Bury { by, stream: work(priority), items: vec![item] });
                }
            }
            Step::Reap => self.reap(),
            Step::ReadLog(count) => self.read_log(count),
            Step::Fold(pick, count) => {
                let from = pick % self.read.len().max(1);
                let entries = self.read.iter().skip(from).take(count).cloned().collect();
                self.books.fold(&mut moment, &Fold { by, task_ttl_ms: 9_000, acknowledge: true, entries });
            }
            Step::Wait(ms) => self.now_ms += ms,
        }
    }

    fn submit(&mut self, priority: Priority) {
        let order = Submission {
            task_id: TaskId::new(format!("t{}", self.submitted % 5)).unwrap(),
            by: self.by.clone(),
            fields: BTreeMap::new(),
            subtasks: Rules::built_in().plan("x", priority),
            backlog_max: 9,
            deadline_ms: 9_000,
        };
        let before = self.books.clone();
        if self.books.submit(&mut Moment::at(self.now_ms), &order) != Submitted::Created {
            assert_eq!(self.books, before);
        }
        self.submitted += 1;
    }

    fn lease(&mut self, priority: Priority, count: usize) {
        for entry_id in self.books.lease(&work(priority), &self.by, count, self.now_ms) {
            let fields = self.books.entry(&work(priority), entry_id).unwrap().clone();
            self.leased.push((priority, entry_id, fields));
        }
    }

    fn settle(&mut self, priority: Priority, entry_id: EntryId, fact: Fact) {
        let subtask_id = fact.task_id.subtask(fact.index.unwrap()).unwrap();
        let (stream, result) = (work(priority), Some("{}".to_owned()));
        let item = Settlement { stream, entry_id, subtask_id, fact, result, result_ttl_ms: 9_000 };
        self.books.settle(&mut Moment::at(self.now_ms), &Settle { by: self.by.clone(), items: vec![item] });
    }

    fn reap(&mut self) {
        let (by, queue) = (self.by.clone(), queue());
        let order = Reap { by, queue, lease_ms: LEASE_MS, count: 3, crashes_max: 3, cursors: Default::default() };
        self.books.reap(&mut Moment::at(self.now_ms), &order);
    }

    fn read_log(&mut self, count: usize) {
        for entry_id in self.books.lease(&StreamName::Events, &self.by, count, self.now_ms) {
            let lines = read_lines(self.books.entry(&StreamName::Events, entry_id).unwrap());
            self.read.push(LogEntry { entry_id, lines });
        }
    }

    /// Lets time pass, settles what can be settled and folds all there is.
    fn finish(&mut self) {
        for _ in 0..8 {
            self.now_ms += LEASE_MS;
            self.reap();
            for priority in Priority::ALL {
                self.lease(*priority, 1_000);
            }
            for (priority, entry_id, fields) in self.leased.clone() {
                self.settle(priority, entry_id, fact(&fields, "completed"));
            }
            self.read_log(1_000);
            self.take(&Step::Fold(0, usize::MAX));
        }
    }

    fn check_tokens(&self) -> Result<(), TestCaseError> {
        let mut tokens: BTreeMap<(TaskId, u32), usize> = BTreeMap::new();
        for (name, stream) in &self.books.streams {
            for (entry_id, fields) in &stream.entries {
                let group = stream.group.as_ref();
                let unfolded = group.is_some_and(|g| *entry_id > g.delivered_id || g.pending.contains_key(entry_id));
                let told: Vec<Fact> = match name {
                    StreamName::Work(..) => vec![fact(fields, "completed")],
                    StreamName::Events if unfolded => read_lines(fields).into_iter().flatten().collect(),
                    _ => Vec::new(),
                };
                for fact in told.iter().filter(|fact| Record::of(fact).is_some()) {
                    *tokens.entry((fact.task_id.clone(), fact.index.unwrap())).or_default() += 1;
                }
            }
        }
        for (task_id, task) in &self.books.tasks {
            for index in 0..task.state.total {
                let ended = task.state.records.contains_key(&index);
                let held = tokens.get(&(task_id.clone(), index)).copied().unwrap_or(0);
                prop_assert_eq!(held, usize::from(!ended), "{} {} ended: {}", task_id, index, ended);
            }
        }
        Ok(())
    }
}

fn queue() -> QueueName {
    QueueName::default_queue()
}

fn work(priority: Priority) -> StreamName {
    StreamName::Work(queue(), priority)
}

/// What an honest worker says of the entry it was given.
fn fact(fields: &Fields, word: &str) -> Fact {
    let Identity::Known { task_id, index, generation, attempt, crashes } = identify(fields) else {
        panic!("only Millstream writes here")
    };
    Fact::decode(&format!("{task_id} {index} {generation} {word} {attempt} {crashes} w 1")).unwrap()
}

proptest! {
    #[test]
    fn tokens_are_conserved_and_every_plan_ends(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check_tokens()?;
        }
        world.finish();
        world.check_tokens()?;
        for task in world.books.tasks.values() {
            prop_assert!(task.state.status.is_terminal());
        }
        prop_assert_eq!(world.books.backlog(&queue()), 0);
    }
}
