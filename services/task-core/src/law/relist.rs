//! Giving a task that no time is kept for its place in `lifetimes` again.

use super::Books;
use proto_schemas::TaskId;

/// A task to relist.
#[derive(Debug, Clone)]
pub struct Relist {
    /// The task.
    pub task_id: TaskId,
    /// Ms that a task outlives its end.
    pub task_ttl_ms: u64,
}

/// The answer to a relisting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relisted {
    /// It has a place again: its deadline, or its end and a life after it.
    Relisted,
    /// It had one.
    Kept,
    /// There is no such task.
    Gone,
}

impl Books {
    /// Lists one task, if it is in no place: an open one at its deadline, one that has ended a life after its end, or
    /// after the last that is known of it if nobody kept its end.
    pub fn relist(&mut self, order: &Relist) -> Relisted {
        let Some(task) = self.tasks.get(&order.task_id) else { return Relisted::Gone };
        if self.lifetimes.contains_key(&order.task_id) {
            return Relisted::Kept;
        }
        let ended_at_ms = task.state.finished_at_ms.unwrap_or(task.state.updated_at_ms);
        let is_over = task.state.status.is_terminal();
        let ends_at_ms = if is_over { ended_at_ms + order.task_ttl_ms } else { task.deadline_at_ms };
        self.lifetimes.insert(order.task_id.clone(), ends_at_ms);
        Relisted::Relisted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use proto_schemas::Record;
    use std::collections::BTreeMap;

    #[test]
    fn a_place_is_the_deadline_while_open_and_a_life_after_the_end_and_is_kept() {
        let order = Relist { task_id: TaskId::new("T").unwrap(), task_ttl_ms: 1_000 };
        let mut books = Books::default();
        assert_eq!(books.relist(&order), Relisted::Gone);
        books.tasks.insert(order.task_id.clone(), TaskBook::new(BTreeMap::new(), 1, 5, 500));
        assert_eq!((books.relist(&order), books.lifetimes[&order.task_id]), (Relisted::Relisted, 500));
        let task = books.tasks.get_mut(&order.task_id).unwrap();
        task.state.insert((0, 0), Record::decode("completed 1 0 7").unwrap());
        assert_eq!((books.relist(&order), books.lifetimes[&order.task_id]), (Relisted::Kept, 500));
        for (finished_at_ms, expected) in [(Some(7), 1_007), (None, 1_005)] {
            books.lifetimes.clear();
            books.tasks.get_mut(&order.task_id).unwrap().state.finished_at_ms = finished_at_ms;
            assert_eq!((books.relist(&order), books.lifetimes[&order.task_id]), (Relisted::Relisted, expected));
        }
    }
}
