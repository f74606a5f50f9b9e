//! Accepting a task: its hash, its entries, its places in the indexes and the fact `created`; or nothing.

use super::stream::text_field;
use super::{Books, Moment, StreamName, TaskBook};
use crate::fold::TaskState;
use proto_schemas::{ConsumerName, Priority, QueueName, SubtaskDefinition, TaskId, TaskStatus};
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
    /// The plan, 1 to 1,000 subtasks.
    pub subtasks: Vec<SubtaskDefinition>,
    /// Entries a queue may hold, all priorities together.
    pub backlog_max: u64,
    /// Ms from acceptance to the deadline.
    pub deadline_ms: u64,
}

/// The answer to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// The task and all its entries are stored.
    Created,
    /// The id is taken.
    Existing,
    /// A queue would exceed its backlog; nothing was stored.
    Overloaded,
}

impl Books {
    /// Stores a task and everything it needs, or nothing.
    pub fn submit(&mut self, moment: &mut Moment, order: &Submission) -> Submitted {
        if self.tasks.contains_key(&order.task_id) {
            return Submitted::Existing;
        }
        let mut added: BTreeMap<&QueueName, usize> = BTreeMap::new();
        for subtask in &order.subtasks {
            *added.entry(&subtask.queue).or_default() += 1;
        }
        if added.iter().any(|(queue, count)| (self.backlog(queue) + count) as u64 > order.backlog_max) {
            return Submitted::Overloaded;
        }
        let (task_id, now_ms) = (&order.task_id, moment.now_ms);
        let task = TaskBook {
            fields: order.fields.clone(),
            created_at_ms: now_ms,
            state: TaskState::new(order.subtasks.len() as u32, now_ms),
            outcome_at_ms: None,
            revision: 1,
        };
        self.tasks.insert(task_id.clone(), task);
        for (index, subtask) in order.subtasks.iter().enumerate() {
            let entry =
                subtask.first_attempt(task_id, index as u32).expect("a submitted task's id leaves room for an index");
            let fields = entry.encode();
            let fields = fields.iter().map(|(name, value)| text_field((name, value))).collect();
            self.append(moment, &StreamName::Work(subtask.queue.clone(), subtask.priority), fields);
        }
        self.created.insert(task_id.clone(), now_ms);
        self.by_status.insert((TaskStatus::Queued, task_id.clone()), now_ms);
        self.lifetimes.insert(task_id.clone(), now_ms + order.deadline_ms);
        self.append_facts(moment, &order.by, &[format!("{task_id} - 0 created 0 0 {} {now_ms}", order.by)]);
        for (queue, count) in added {
            self.queues.insert(queue.clone());
            self.ring(queue, count);
        }
        Submitted::Created
    }

    /// Entries in the four streams of a queue.
    pub fn backlog(&self, queue: &QueueName) -> usize {
        let streams = Priority::ALL.iter().map(|priority| StreamName::Work(queue.clone(), *priority));
        streams.filter_map(|name| self.streams.get(&name)).map(|stream| stream.entries.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Planner, Rules};

    #[test]
    fn a_task_is_stored_once_and_whole_or_not_at_all() {
        let order = Submission {
            task_id: TaskId::new("T").unwrap(),
            by: ConsumerName::new("o").unwrap(),
            fields: BTreeMap::new(),
            subtasks: Rules::built_in().plan("authentication", Priority::High),
            backlog_max: 4,
            deadline_ms: 100,
        };
        let mut books = Books::default();
        assert_eq!(books.submit(&mut Moment::at(7), &order), Submitted::Created);
        let queue = QueueName::default_queue();
        assert_eq!((books.backlog(&queue), books.bells[&queue], books.lifetimes[&order.task_id]), (4, 4, 107));
        let before = books.clone();
        assert_eq!(books.submit(&mut Moment::at(8), &order), Submitted::Existing);
        let other = Submission { task_id: TaskId::new("U").unwrap(), ..order };
        assert_eq!(books.submit(&mut Moment::at(8), &other), Submitted::Overloaded);
        assert_eq!(books, before);
    }
}
