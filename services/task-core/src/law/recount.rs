//! Recomputing a task's counters, status, times and place in the indexes from what is kept of its subtasks.

use super::Books;
use crate::fold::TaskState;
use proto_schemas::TaskId;

/// A task to recount.
#[derive(Debug, Clone)]
pub struct Recount {
    /// The task.
    pub task_id: TaskId,
    /// Ms that a task outlives its end.
    pub task_ttl_ms: u64,
}

/// The answer to a recount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recounted {
    /// Everything follows from the records again.
    Recounted,
    /// There is no such task.
    Gone,
}

impl Books {
    /// Recounts one task, whatever its hash says.
    pub fn recount(&mut self, order: &Recount) -> Recounted {
        let Some(task) = self.tasks.get_mut(&order.task_id) else { return Recounted::Gone };
        task.state = TaskState::recount(task.state.clone(), task.created_at_ms);
        task.has_generations |= !task.state.generations.is_empty();
        let outcome_at_ms = task.state.outcome_at_ms().unwrap_or(0);
        task.outcome_at_ms = Some(outcome_at_ms);
        task.revision += 1;
        let (status, created_at_ms) = (task.state.status, task.created_at_ms);
        let ends_at_ms = if status.is_terminal() { outcome_at_ms + order.task_ttl_ms } else { task.deadline_at_ms };
        self.lifetimes.insert(order.task_id.clone(), ends_at_ms);
        self.by_status.retain(|(_, other), _| *other != order.task_id);
        self.by_status.insert((status, order.task_id.clone()), created_at_ms);
        Recounted::Recounted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use proto_schemas::{Progress, Record, TaskStatus};
    use std::collections::BTreeMap;

    #[test]
    fn counters_that_someone_broke_follow_from_the_records_again() {
        let task_id = TaskId::new("T").unwrap();
        let mut state = TaskState::new(2, 5);
        let records = [(0, 0), (1, 0), (1, 1)].map(|place| (place, Record::decode("failed 1 0 9").unwrap()));
        (state.records, state.generations) = (records.into(), BTreeMap::from([(1, 1)]));
        (state.completed, state.status) = (7, TaskStatus::Queued);
        let task = TaskBook { state, ..TaskBook::new(BTreeMap::new(), 2, 5, 9) };
        let mut books = Books::default();
        let order = Recount { task_id: task_id.clone(), task_ttl_ms: 100 };
        assert_eq!(books.recount(&order), Recounted::Gone);
        books.tasks.insert(task_id.clone(), task);
        assert_eq!(books.recount(&order), Recounted::Recounted);
        let state = &books.tasks[&task_id].state;
        assert_eq!((state.completed, state.failed, state.status), (0, 2, TaskStatus::Failed));
        assert_eq!((state.finished_at_ms, books.lifetimes[&task_id]), (Some(9), 109));
        assert!(books.tasks[&task_id].has_generations);
        assert!(books.by_status.contains_key(&(TaskStatus::Failed, task_id)));
    }
    #[test]
    fn what_runs_again_is_under_way_and_what_was_told_of_the_time_before_is_gone() {
        let task_id = TaskId::new("T").unwrap();
        let mut task = TaskBook::new(BTreeMap::new(), 2, 5, 9);
        task.state.generations.insert(1, 1);
        let told = [((0, 0), "0 1 0 7 crashed w"), ((1, 0), "0 1 0 8 crashed w")];
        task.state.progress.extend(told.map(|(place, line)| (place, Progress::decode(line).unwrap())));
        let mut books = Books::default();
        books.tasks.insert(task_id.clone(), task);
        books.lifetimes.insert(task_id.clone(), 107);
        books.recount(&Recount { task_id: task_id.clone(), task_ttl_ms: 100 });
        let state = &books.tasks[&task_id].state;
        assert_eq!(books.lifetimes[&task_id], books.tasks[&task_id].deadline_at_ms, "not a life after its end");
        assert_eq!((state.status, state.updated_at_ms), (TaskStatus::Processing, 8));
        assert_eq!(state.progress.keys().collect::<Vec<_>>(), [&(0, 0)]);
    }
}
