//! Giving subtasks without a token one again, and putting the plan of their task right.

use super::dependencies::{Dependencies, PlanField};
use super::identity::identify;
use super::stream::text_field;
use super::{Books, Fields, Moment, StreamName};
use proto_schemas::{ConsumerName, FactKind, QueueName, SubtaskId, TaskId, WorkEntry};

/// What the waiting places of a task lack.
#[derive(Debug, Clone)]
pub struct Restore {
    /// Who restores.
    pub by: ConsumerName,
    /// The task; every entry is one of its own.
    pub task_id: TaskId,
    /// The revision at which the caller saw what is lacking.
    pub revision: u64,
    /// Entries that may run, each with its queue.
    pub ready: Vec<(QueueName, WorkEntry)>,
    /// Entries that are not due yet.
    pub later: Vec<Later>,
    /// Fields of the plan that have to go.
    pub plan_gone: Vec<PlanField>,
    /// Fields of the plan as they have to be; those that it does not have stay.
    pub plan_set: Dependencies,
}

/// An entry that is not due yet.
#[derive(Debug, Clone)]
pub struct Later {
    /// Whose it is.
    pub subtask_id: SubtaskId,
    /// When it is due, ms of the Unix epoch.
    pub due_ms: u64,
    /// The packed entry.
    pub body: Vec<u8>,
}

/// The answer to a restoration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// All of it is there; the task's revision is one more.
    Restored,
    /// Something happened to the task since the caller looked, it is gone, or one of them waits in `delayed`: nothing
    /// was written.
    Moved,
}

impl Books {
    /// Restores all of it or nothing, and rings for what may run.
    pub fn restore(&mut self, moment: &mut Moment, order: &Restore) -> Restored {
        let is_delayed = |subtask_id: &SubtaskId| self.delayed.contains_key(subtask_id.as_str());
        let is_doubled = order.ready.iter().any(|(_, entry)| is_delayed(&entry.subtask_id))
            || order.later.iter().any(|later| is_delayed(&later.subtask_id));
        let task = self.tasks.get_mut(&order.task_id).filter(|task| task.revision == order.revision && !is_doubled);
        let Some(task) = task else { return Restored::Moved };
        task.revision += 1;
        self.mend_plan(order);
        for Later { subtask_id, due_ms, body } in &order.later {
            self.delay(subtask_id, *due_ms, body.clone());
        }
        let mut lines = Vec::new();
        for (queue, entry) in &order.ready {
            let fields: Fields = entry.encode().iter().map(|(name, value)| text_field((name, value))).collect();
            let attempt = identify(&fields).known();
            lines.extend(attempt.map(|it| it.line(FactKind::Returned, &order.by, moment.now_ms, None)));
            self.append(moment, &StreamName::Work(queue.clone(), entry.priority), fields);
            self.ring(queue, 1);
        }
        self.append_facts(moment, &order.by, &lines);
        Restored::Restored
    }

    fn mend_plan(&mut self, order: &Restore) {
        let plan = self.plans.entry(order.task_id.clone()).or_default();
        order.plan_gone.iter().for_each(|field| plan.forget(*field));
        plan.take_over(&order.plan_set);
        if *plan == Dependencies::default() {
            self.plans.remove(&order.task_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use crate::law::body::pack;
    use proto_schemas::{Kind, Priority, SubtaskDefinition};
    use std::collections::BTreeMap;

    /// A task of three subtasks at revision 1, and what it takes to let the first run, the second wait for its time and
    /// the third for the first.
    fn broken() -> (Books, Restore) {
        let (task_id, queue) = (TaskId::new("T").unwrap(), QueueName::default_queue());
        let mut books = Books::default();
        books.tasks.insert(task_id.clone(), TaskBook::new(BTreeMap::new(), 3, 1, 500));
        books.plans.entry(task_id.clone()).or_default().block(1, b"none".to_vec(), vec![0]);
        let definition = SubtaskDefinition::new(Kind::new("k").unwrap(), "d", Priority::Low);
        let mut plan_set = Dependencies::default();
        plan_set.block(2, pack(&queue, &Fields::new()), vec![0]);
        let order = Restore {
            by: ConsumerName::new("o").unwrap(),
            task_id: task_id.clone(),
            revision: 1,
            ready: vec![(queue, definition.first_attempt(&task_id, 0).unwrap())],
            later: vec![Later { subtask_id: task_id.subtask(1).unwrap(), due_ms: 90, body: b"body".to_vec() }],
            plan_gone: vec![PlanField::Blocked(1), PlanField::Waits(1), PlanField::Edges(7)],
            plan_set,
        };
        (books, order)
    }

    #[test]
    fn each_gets_its_place_once() {
        let (mut books, order) = broken();
        assert_eq!(books.restore(&mut Moment::at(10), &order), Restored::Restored);
        let plan = &books.plans[&order.task_id];
        assert_eq!((&plan.waits, plan.blocked.len()), (&BTreeMap::from([(2, vec![0])]), 1));
        assert_eq!((books.delayed["T-1"], &books.bodies["T-1"][..]), (90, &b"body"[..]));
        let queue = QueueName::default_queue();
        let stream = &books.streams[&StreamName::Work(queue.clone(), Priority::Low)];
        assert_eq!((stream.entries.len(), books.bells[&queue], books.tasks[&order.task_id].revision), (1, 1, 2));
        let told = books.streams[&StreamName::Events].entries.values().next().unwrap();
        assert_eq!(told[2].1, b"T 0 0 returned 1 0 o 10");
        let before = books.clone();
        assert_eq!((books.restore(&mut Moment::at(20), &order), &books), (Restored::Moved, &before));
    }

    #[test]
    fn what_waits_in_delayed_or_belongs_to_nobody_is_left_alone() {
        for member in ["T-0", "T-1"] {
            let (mut books, order) = broken();
            books.delayed.insert(member.to_owned(), 5);
            let before = books.clone();
            assert_eq!((books.restore(&mut Moment::at(10), &order), &books), (Restored::Moved, &before), "{member}");
        }
        let mut nothing = Books::default();
        assert_eq!(nothing.restore(&mut Moment::at(10), &broken().1), Restored::Moved);
        assert_eq!(nothing, Books::default());
    }

    #[test]
    fn a_plan_without_fields_is_none() {
        let (mut books, order) = broken();
        let order = Restore { plan_set: Dependencies::default(), ..order };
        assert_eq!(books.restore(&mut Moment::at(10), &order), Restored::Restored);
        assert!(books.plans.is_empty());
    }
}
