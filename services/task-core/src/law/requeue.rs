//! Opening a new generation of what has ended: its records go back to the counters and its task is open again.

use super::body::pack;
use super::entry::set_field;
use super::stream::text_field;
use super::{Books, EntryId, Fields, Moment, StreamName};
use proto_schemas::{ConsumerName, OnFailure, Outcome, Parent, Priority, QueueName, TaskId, TaskStatus, WorkEntry};
use std::collections::BTreeSet;

/// Subtasks of one task to run again, all of them or none.
#[derive(Debug, Clone)]
pub struct Requeue {
    /// Who asks for it.
    pub by: ConsumerName,
    /// The task.
    pub task_id: TaskId,
    /// Ms from now to its new deadline, if it has ended and its client asked for none.
    pub deadline_ms: u64,
    /// Which subtasks, each once.
    pub items: Vec<RequeueItem>,
    /// The dead letter that goes with it.
    pub dead_letter: Option<EntryId>,
}

/// One subtask to run again.
#[derive(Debug, Clone)]
pub struct RequeueItem {
    /// What runs, as a first attempt; its generation is the new one, its deadline that of the task.
    pub entry: WorkEntry,
    /// The generation that is replaced: it must be the current one and have ended.
    pub generation: u32,
    /// Where it goes.
    pub queue: QueueName,
    /// How urgent it is.
    pub priority: Priority,
    /// Who depends on it.
    pub edges: Vec<(u32, OnFailure)>,
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

impl Books {
    /// Opens new generations. What is ready is added; what depends on another that runs again waits in the plan.
    pub fn requeue(&mut self, moment: &mut Moment, order: &Requeue) -> Requeued {
        let (task_id, now_ms) = (&order.task_id, moment.now_ms);
        let Some(task) = self.tasks.get(task_id) else { return Requeued::Gone };
        let (state, was) = (&task.state, task.state.status);
        let has_ended = |item: &RequeueItem| {
            let index = item.entry.index;
            index < state.total && state.generation(index) == item.generation && state.record(index).is_some()
        };
        let letter_is_there = order.dead_letter.is_none_or(|id| self.entry(&StreamName::DeadLetters, id).is_some());
        if !order.items.iter().all(has_ended) || !letter_is_there {
            return Requeued::Gone;
        }
        let waits: Option<Vec<Vec<u32>>> = order.items.iter().map(|item| self.awaited(order, item)).collect();
        let Some(waits) = waits else { return Requeued::Gone };
        if let Some(letter_id) = order.dead_letter {
            self.delete(&StreamName::DeadLetters, letter_id);
        }
        self.renew_deadline(order, was, now_ms);
        for (item, waits) in order.items.iter().zip(waits) {
            self.run_again(moment, task_id, item, waits);
        }
        let line = |item: &RequeueItem| {
            let (index, generation) = (item.entry.index, item.generation + 1);
            format!("{task_id} {index} {generation} requeued 1 0 {} {now_ms}", order.by)
        };
        let lines: Vec<String> = order.items.iter().map(line).collect();
        self.open_task(order, was, now_ms);
        self.append_facts(moment, &order.by, &lines);
        Requeued::Requeued
    }

    /// What an item waits for: parents that run again, and parents that have not ended; `None` if another has ended so
    /// that the item cannot start.
    fn awaited(&self, order: &Requeue, item: &RequeueItem) -> Option<Vec<u32>> {
        let again: BTreeSet<u32> = order.items.iter().map(|item| item.entry.index).collect();
        let state = &self.tasks[&order.task_id].state;
        let mut waits = Vec::new();
        for Parent { index, on_failure, .. } in &item.entry.parents {
            match state.record(*index).filter(|_| !again.contains(index)) {
                None => waits.push(*index),
                Some(record) if record.outcome == Outcome::Completed || *on_failure == OnFailure::Continue => {}
                Some(_) => return None,
            }
        }
        Some(waits)
    }

    /// A task that has ended gets a new deadline, as far from now as its client once asked for; an open one keeps its
    /// own.
    fn renew_deadline(&mut self, order: &Requeue, was: TaskStatus, now_ms: u64) {
        let Some(task) = self.tasks.get_mut(&order.task_id).filter(|_| was.is_terminal()) else { return };
        task.deadline_at_ms = now_ms + task.deadline_after_ms.unwrap_or(order.deadline_ms);
        self.lifetimes.insert(order.task_id.clone(), task.deadline_at_ms);
    }

    fn run_again(&mut self, moment: &mut Moment, task_id: &TaskId, item: &RequeueItem, waits: Vec<u32>) {
        let (index, generation) = (item.entry.index, item.generation + 1);
        let Some(task) = self.tasks.get_mut(task_id) else { return };
        task.state.open(index, generation);
        let carried_ms = task.deadline_after_ms.map(|_| task.deadline_at_ms);
        self.results.remove(&item.entry.subtask_id);
        if !item.edges.is_empty() {
            self.plans.entry(task_id.clone()).or_default().edges.insert(index, item.edges.clone());
        }
        let entry = WorkEntry { generation, deadline_ms: None, ..item.entry.clone() };
        let mut fields: Fields = entry.encode().iter().map(|(name, value)| text_field((name, value))).collect();
        if let Some(deadline_at_ms) = carried_ms {
            set_field(&mut fields, "deadline_ms", deadline_at_ms.to_string());
        }
        if waits.is_empty() {
            self.append(moment, &StreamName::Work(item.queue.clone(), item.priority), fields);
            self.ring(&item.queue, 1);
        } else {
            let plan = self.plans.entry(task_id.clone()).or_default();
            plan.block(index, pack(&item.queue, &fields), waits);
            plan.queues.insert(item.queue.clone());
        }
    }

    fn open_task(&mut self, order: &Requeue, was: TaskStatus, now_ms: u64) {
        let task_id = &order.task_id;
        let Some(task) = self.tasks.get_mut(task_id) else { return };
        let created_at_ms = task.created_at_ms;
        task.state.move_on(now_ms, true);
        task.has_generations = true;
        task.revision += 1;
        let deadline_at_ms = task.deadline_at_ms;
        if let Some(until_ms) = self.cancelled.get_mut(task_id) {
            *until_ms = deadline_at_ms.max(*until_ms); // what is left of the earlier generation asks for its record
        }
        self.by_status.remove(&(was, task_id.clone()));
        self.by_status.insert((TaskStatus::Processing, task_id.clone()), created_at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use crate::law::entry::field;
    use proto_schemas::{Kind, Record, SubtaskDefinition};
    use std::collections::BTreeMap;

    /// One task of two subtasks that failed, the second of which skips what the first did not complete.
    fn failed() -> (Books, Requeue) {
        let (task_id, by) = (TaskId::new("T").unwrap(), ConsumerName::new("o").unwrap());
        let mut task = TaskBook::new(BTreeMap::new(), 2, 1, 500);
        for index in [0, 1] {
            task.state.insert((index, 0), Record::decode("failed 1 0 5").unwrap());
        }
        let mut books = Books::default();
        books.tasks.insert(task_id.clone(), task);
        let mut definition = SubtaskDefinition::new(Kind::new("k").unwrap(), "d", Priority::Low);
        let mut item = |index, parents: &[u32], edges: &[(u32, OnFailure)]| {
            let parent = |&index| Parent { name: "a".parse().unwrap(), index, on_failure: OnFailure::Skip };
            definition.depends_on = parents.iter().map(parent).collect();
            RequeueItem {
                entry: definition.first_attempt(&task_id, index).unwrap(),
                generation: 0,
                queue: QueueName::default_queue(),
                priority: Priority::Low,
                edges: edges.to_vec(),
            }
        };
        let items = vec![item(0, &[], &[(1, OnFailure::Skip)]), item(1, &[0], &[])];
        (books, Requeue { by, task_id, deadline_ms: 100, items, dead_letter: None })
    }

    #[test]
    fn what_has_ended_runs_again_once_and_in_its_order() {
        let (mut books, mut order) = failed();
        let task_id = order.task_id.clone();
        let before = books.clone();
        order.dead_letter = Some(EntryId { ms: 5, sequence: 5 });
        assert_eq!((books.requeue(&mut Moment::at(10), &order), &books), (Requeued::Gone, &before));
        order.dead_letter = None;
        assert_eq!(books.requeue(&mut Moment::at(10), &order), Requeued::Requeued);
        let (state, plan) = (&books.tasks[&task_id].state, &books.plans[&task_id]);
        assert_eq!((state.status, state.failed, state.finished_at_ms), (TaskStatus::Processing, 0, None));
        assert_eq!((state.open_indexes(), &plan.waits[&1]), (vec![(0, 1), (1, 1)], &vec![0]));
        assert_eq!((books.backlog(&order.items[0].queue), books.lifetimes[&task_id]), (1, 110));
        let before = books.clone();
        assert_eq!((books.requeue(&mut Moment::at(20), &order), &books), (Requeued::Gone, &before));
    }

    #[test]
    fn who_cannot_start_for_a_parent_that_is_left_as_it_ended_does_not_run_again() {
        for (record, on_failure, expected) in [
            ("failed 1 0 5", OnFailure::Skip, Requeued::Gone),
            ("cancelled 1 0 5", OnFailure::FailFast, Requeued::Gone),
            ("failed 1 0 5", OnFailure::Continue, Requeued::Requeued),
            ("completed 1 0 5", OnFailure::Skip, Requeued::Requeued),
        ] {
            let (mut books, mut order) = failed();
            let state = &mut books.tasks.get_mut(&order.task_id).unwrap().state;
            state.records.insert((0, 0), Record::decode(record).unwrap());
            order.items.remove(0);
            order.items[0].entry.parents[0].on_failure = on_failure;
            let before = books.clone();
            assert_eq!(books.requeue(&mut Moment::at(10), &order), expected, "{record} {on_failure}");
            assert_eq!(books == before, expected == Requeued::Gone, "{record} {on_failure}");
        }
    }

    #[test]
    fn only_what_has_ended_gets_a_new_deadline_and_entries_carry_what_was_asked_for() {
        for (asked_ms, first, second) in [(None, 110, None), (Some(30), 40, Some(40))] {
            let (mut books, mut order) = failed();
            let last = order.items.split_off(1);
            let deadlines = |books: &Books, priority| {
                let stream = &books.streams[&StreamName::Work(QueueName::default_queue(), priority)];
                let carried = field(&stream.entries[&stream.last_id], "deadline_ms").map(<[u8]>::to_vec);
                let carried = carried.map(|text| String::from_utf8(text).unwrap().parse::<u64>().unwrap());
                (books.tasks[&TaskId::new("T").unwrap()].deadline_at_ms, carried)
            };
            books.tasks.get_mut(&order.task_id).unwrap().deadline_after_ms = asked_ms;
            assert_eq!(books.requeue(&mut Moment::at(10), &order), Requeued::Requeued);
            assert_eq!((deadlines(&books, Priority::Low), books.lifetimes[&order.task_id]), ((first, second), first));
            order.items = last;
            order.items[0].entry.parents.clear();
            order.items[0].priority = Priority::High;
            assert_eq!(books.requeue(&mut Moment::at(20), &order), Requeued::Requeued);
            assert_eq!((deadlines(&books, Priority::High), books.lifetimes[&order.task_id]), ((first, second), first));
        }
    }
}
