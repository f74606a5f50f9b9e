//! Ending a task from outside: everything of it that has not ended is recorded cancelled, at once.

use super::{Books, Moment};
use proto_schemas::{ConsumerName, Kind, Outcome, Record, TaskId, TaskStatus};

/// A task to cancel.
#[derive(Debug, Clone)]
pub struct Cancel {
    /// Who cancels it.
    pub by: ConsumerName,
    /// The task.
    pub task_id: TaskId,
    /// One word why; `None` if a client asked for it.
    pub reason: Option<Kind>,
    /// Ms that a task outlives its end.
    pub task_ttl_ms: u64,
    /// Ms that workers are told of it at least.
    pub hint_ms: u64,
    /// Only if its deadline is over.
    pub only_past: bool,
    /// Only if it is at this revision; what is cancelled already is no matter of revisions.
    pub if_revision: Option<u64>,
}

/// The answer to a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// This call ended it: so many subtasks were recorded cancelled.
    Cancelled(u64),
    /// It had ended before.
    Already(TaskStatus),
    /// Its deadline is not over.
    Early,
    /// It is at another revision.
    Changed,
    /// There is no such task.
    Gone,
}

impl Books {
    /// Records every subtask without an outcome as cancelled; what of them waits is gone, what runs is waste.
    pub fn cancel(&mut self, moment: &mut Moment, order: &Cancel) -> Cancelled {
        let (task_id, now_ms) = (&order.task_id, moment.now_ms);
        let Some(task) = self.tasks.get(task_id) else { return Cancelled::Gone };
        let was = task.state.status;
        let is_at = order.if_revision.is_none_or(|revision| revision == task.revision);
        if !is_at && was != TaskStatus::Cancelled {
            return Cancelled::Changed;
        }
        if was.is_terminal() {
            return Cancelled::Already(was);
        }
        let deadline_ms = self.lifetimes.get(task_id).copied().unwrap_or(0);
        if order.only_past && deadline_ms > now_ms {
            return Cancelled::Early;
        }
        let open = task.state.open_indexes();
        let reason = order.reason.as_ref().map(Kind::as_str);
        self.plans.remove(task_id);
        self.record_cancelled(task_id, &open, now_ms, reason);
        self.cancelled.insert(task_id.clone(), deadline_ms.max(now_ms + order.hint_ms));
        self.write_task(task_id, was, order.task_ttl_ms);
        self.append_facts(moment, &order.by, &cancelled_lines(task_id, &open, (&order.by, now_ms), reason));
        Cancelled::Cancelled(open.len() as u64)
    }

    /// Records places as cancelled and removes what of them waits for its time.
    pub(crate) fn record_cancelled(&mut self, task_id: &TaskId, gone: &[(u32, u32)], at_ms: u64, reason: Option<&str>) {
        let Some(task) = self.tasks.get_mut(task_id) else { return };
        let (outcome, reason) = (Outcome::Cancelled, reason.map(str::to_owned));
        task.state.move_on(at_ms, false);
        task.end_at(at_ms);
        for &place in gone {
            let reason = reason.clone();
            task.state.insert(place, Record { outcome, attempt: 0, crashes: 0, at_ms, reason });
            let member = format!("{task_id}-{}", place.0);
            self.delayed.remove(&member);
            self.bodies.remove(&member);
        }
    }
}

/// The lines that tell it, for places in the order of their index: neighbours of one generation share a line.
pub(crate) fn cancelled_lines(
    task_id: &TaskId,
    gone: &[(u32, u32)],
    (by, at_ms): (&ConsumerName, u64),
    reason: Option<&str>,
) -> Vec<String> {
    let reason = reason.map(|reason| format!(" {reason}")).unwrap_or_default();
    let line = |run: &[(u32, u32)]| {
        let ((first, generation), (last, _)) = (run[0], run[run.len() - 1]);
        let place = if last > first { format!("{first}-{last}") } else { first.to_string() };
        format!("{task_id} {place} {generation} cancelled 0 0 {by} {at_ms}{reason}")
    };
    gone.chunk_by(|one, next| next.0 == one.0 + 1 && next.1 == one.1).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_open_ends_at_once_and_only_once() {
        let (task_id, by) = (TaskId::new("T").unwrap(), ConsumerName::new("o").unwrap());
        let mut task = TaskBook::new(BTreeMap::new(), 5, 1, 500);
        task.state.insert((1, 0), Record::decode("completed 1 0 5").unwrap());
        task.state.open(4, 1);
        let mut books = Books::default();
        books.lifetimes.insert(task_id.clone(), 500);
        books.tasks.insert(task_id.clone(), task);
        books.delay(&task_id.subtask(0).unwrap(), 30, Vec::new());
        let reason = Some(Kind::new("deadline").unwrap());
        let mut order =
            Cancel { by, task_id, reason, task_ttl_ms: 1_000, hint_ms: 50, only_past: true, if_revision: None };
        assert_eq!(books.cancel(&mut Moment::at(10), &order), Cancelled::Early);
        order.only_past = false;
        order.if_revision = Some(7);
        assert_eq!(books.cancel(&mut Moment::at(10), &order), Cancelled::Changed);
        order.if_revision = Some(books.tasks[&order.task_id].revision);
        assert_eq!(books.cancel(&mut Moment::at(10), &order), Cancelled::Cancelled(4));
        let Books { tasks, cancelled, lifetimes, delayed, .. } = &books;
        let state = &tasks[&order.task_id].state;
        assert_eq!((state.status, state.completed, state.cancelled), (TaskStatus::Cancelled, 1, 4));
        assert_eq!((cancelled[&order.task_id], lifetimes[&order.task_id], delayed.len()), (500, 1_010, 0));
        let before = books.clone();
        assert_eq!(books.cancel(&mut Moment::at(20), &order), Cancelled::Already(TaskStatus::Cancelled));
        order.task_id = TaskId::new("U").unwrap();
        assert_eq!(books.cancel(&mut Moment::at(20), &order), Cancelled::Gone);
        assert_eq!(books, before);
    }

    #[test]
    fn neighbours_of_one_generation_share_a_line() {
        let (task_id, by) = (TaskId::new("T").unwrap(), ConsumerName::new("o").unwrap());
        let lines = cancelled_lines(&task_id, &[(0, 0), (2, 0), (3, 0), (4, 1), (5, 1)], (&by, 9), Some("skipped"));
        let tail = "cancelled 0 0 o 9 skipped";
        assert_eq!(lines, [format!("T 0 0 {tail}"), format!("T 2-3 0 {tail}"), format!("T 4-5 1 {tail}")]);
    }
}
