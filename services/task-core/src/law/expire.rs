//! Removing what is left of a task that is past its life.

use super::{Books, Moment};
use proto_schemas::TaskId;

/// The answer to an expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Nothing of it is left but results, which have a life of their own.
    Removed,
    /// It has not ended.
    Open,
    /// Its life is not over.
    Early,
}

impl Books {
    /// Removes a task only if it has ended and its time is over; also what is left of one that lost its hash.
    pub fn expire(&mut self, moment: &Moment, task_id: &TaskId) -> Expired {
        if self.tasks.get(task_id).is_some_and(|task| !task.state.status.is_terminal()) {
            return Expired::Open;
        }
        if self.lifetimes.get(task_id).is_some_and(|ends_at_ms| *ends_at_ms > moment.now_ms) {
            return Expired::Early;
        }
        self.tasks.remove(task_id);
        self.plans.remove(task_id);
        self.lifetimes.remove(task_id);
        self.created.remove(task_id);
        self.by_status.retain(|(_, other), _| other != task_id);
        Expired::Removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_ends_at_its_time_and_leaves_nothing() {
        let task_id = TaskId::new("T").unwrap();
        let mut books = Books::default();
        books.lifetimes.insert(task_id.clone(), 10);
        books.plans.insert(task_id.clone(), Default::default());
        assert_eq!(books.expire(&Moment::at(9), &task_id), Expired::Early);
        assert_eq!(books.expire(&Moment::at(10), &task_id), Expired::Removed);
        assert_eq!(books, Books::default());
        assert_eq!(books.expire(&Moment::at(10), &task_id), Expired::Removed);
    }
}
