//! Telling the log again how a subtask ended, so that folding it tells whoever still waits for it.

use super::{Books, Moment};
use proto_schemas::{ConsumerName, TaskId};

/// An end to tell again.
#[derive(Debug, Clone)]
pub struct Retell {
    /// Who tells it.
    pub by: ConsumerName,
    /// The task.
    pub task_id: TaskId,
    /// The revision at which the caller saw that somebody waits for it.
    pub revision: u64,
    /// The subtask that has ended.
    pub index: u32,
}

/// The answer to a retelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retold {
    /// The record stands, and is an unfolded fact as well; the task's revision is one more.
    Retold,
    /// Something happened to the task, it has ended, or there is no such record: nothing was written.
    Moved,
}

impl Books {
    /// Tells how a subtask of an open task ended in its current generation, with the time of its record.
    pub fn retell(&mut self, moment: &mut Moment, order: &Retell) -> Retold {
        let Retell { by, task_id, revision, index } = order;
        let is_as_seen = |task: &&mut super::TaskBook| task.revision == *revision && !task.state.status.is_terminal();
        let Some(task) = self.tasks.get_mut(task_id).filter(is_as_seen) else { return Retold::Moved };
        let Some(record) = task.state.record(*index) else { return Retold::Moved };
        let reason = record.reason.as_ref().map(|reason| format!(" {reason}")).unwrap_or_default();
        let (outcome, attempt, crashes, at_ms) = (record.outcome, record.attempt, record.crashes, record.at_ms);
        let generation = task.state.generation(*index);
        let line = format!("{task_id} {index} {generation} {outcome} {attempt} {crashes} {by} {at_ms}{reason}");
        task.revision += 1;
        self.append_facts(moment, by, &[line]);
        Retold::Retold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::{StreamName, TaskBook};
    use proto_schemas::Record;
    use std::collections::BTreeMap;

    #[test]
    fn the_record_of_the_current_generation_is_told_once_while_the_task_is_open() {
        let task_id = TaskId::new("T").unwrap();
        let mut task = TaskBook::new(BTreeMap::new(), 2, 1, 500);
        for (place, record) in [((0, 0), "failed 1 0 5"), ((0, 1), "failed 2 1 7 timeout")] {
            task.state.open(place.0, place.1);
            task.state.insert(place, Record::decode(record).unwrap());
        }
        let mut books = Books::default();
        books.tasks.insert(task_id.clone(), task);
        let mut order = Retell { by: ConsumerName::new("o").unwrap(), task_id, revision: 1, index: 1 };
        assert_eq!(books.retell(&mut Moment::at(9), &order), Retold::Moved, "it has not ended");
        order.index = 0;
        assert_eq!(books.retell(&mut Moment::at(9), &order), Retold::Retold);
        let told = books.streams[&StreamName::Events].entries.values().next().unwrap();
        assert_eq!(told[2].1, b"T 0 1 failed 2 1 o 7 timeout");
        let before = books.clone();
        assert_eq!((books.retell(&mut Moment::at(9), &order), &books), (Retold::Moved, &before));
        let state = &mut books.tasks.get_mut(&order.task_id).unwrap().state;
        state.insert((1, 0), Record::decode("completed 1 0 8").unwrap());
        order.revision = 2;
        assert_eq!(books.retell(&mut Moment::at(9), &order), Retold::Moved, "the task has ended");
    }
}
