//! Scheduling the next attempt of what failed, each only if its entry is still pending: it waits in `delayed`.

use super::body::pack;
use super::entry::{keep_priority, remember, set_field};
use super::identity::identify;
use super::{Books, EntryId, Moment, StreamName};
use proto_schemas::{ConsumerName, FactKind, Kind, QueueName, TaskId};

/// A batch of attempts that failed and are not the last.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Who ran them.
    pub by: ConsumerName,
    /// Which.
    pub items: Vec<FailedAttempt>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct FailedAttempt {
    /// Where its entry is pending.
    pub stream: StreamName,
    /// The queue that it returns to.
    pub queue: QueueName,
    /// Its entry.
    pub entry_id: EntryId,
    /// Its task.
    pub task_id: TaskId,
    /// Ms from now to the next attempt.
    pub delay_ms: u64,
    /// One word why it failed.
    pub reason: Kind,
}

/// The answer to one retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// The next attempt waits for its time.
    Scheduled,
    /// It had ended already, as a cancel ends it: its entry is gone and nothing else was written.
    Dropped,
    /// It is not pending any more, or nobody's; nothing was written.
    Stale,
}

impl Books {
    /// Schedules a batch: each entry leaves its stream and waits as the next attempt, which the log is told.
    pub fn retry(&mut self, moment: &mut Moment, order: &Retry) -> Vec<Retried> {
        let mut lines = Vec::new();
        let answers =
            order.items.iter().map(|item| self.retry_one(moment.now_ms, &order.by, item, &mut lines)).collect();
        self.append_facts(moment, &order.by, &lines);
        answers
    }

    fn retry_one(&mut self, now_ms: u64, by: &ConsumerName, item: &FailedAttempt, lines: &mut Vec<String>) -> Retried {
        let known = self.entry(&item.stream, item.entry_id).and_then(|fields| identify(fields).known());
        let Some(mut it) = known.filter(|_| self.acknowledge(&item.stream, item.entry_id)) else {
            return Retried::Stale;
        };
        let mut fields = self.delete(&item.stream, item.entry_id).unwrap_or_default();
        if self.has_ended(&item.task_id, it.place()) {
            return Retried::Dropped;
        }
        let reason = Some(item.reason.as_str());
        remember(&mut fields, &it.memory(FactKind::Retrying, by, now_ms, reason));
        it.attempt += 1;
        set_field(&mut fields, "attempt", it.attempt.to_string());
        keep_priority(&mut fields, &item.stream);
        self.delay(&it.subtask_id, now_ms + item.delay_ms, pack(&item.queue, &fields));
        lines.push(it.line(FactKind::Retrying, by, now_ms, reason));
        Retried::Scheduled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use crate::law::identity::read_lines;
    use crate::law::stream::text_field;
    use proto_schemas::{Priority, Record};
    use std::collections::BTreeMap;

    fn pending(books: &mut Books, fields: &[(&str, &str)]) -> Retry {
        let (queue, by) = (QueueName::default_queue(), ConsumerName::new("w").unwrap());
        let stream = StreamName::Work(queue.clone(), Priority::Low);
        books.create_group(&stream);
        let entry_id = books.append(&mut Moment::at(1), &stream, fields.iter().copied().map(text_field).collect());
        books.lease(&stream, &by, 1, 1);
        let (task_id, reason) = (TaskId::new("T").unwrap(), Kind::new("timeout").unwrap());
        Retry { by, items: vec![FailedAttempt { stream, queue, entry_id, task_id, delay_ms: 5, reason }] }
    }

    #[test]
    fn the_next_attempt_waits_with_what_happened_to_the_last() {
        let mut books = Books::default();
        let order = pending(&mut books, &[("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")]);
        assert_eq!(books.retry(&mut Moment::at(10), &order), [Retried::Scheduled]);
        assert_eq!(books.delayed["T-0"], 15);
        let body = String::from_utf8(books.bodies["T-0"].clone()).unwrap();
        assert!(
            body.ends_with("\"history\",\"1 0 retrying 10 w timeout\",\"attempt\",\"2\",\"priority\",\"low\"]"),
            "{body}"
        );
        let log = &books.streams[&StreamName::Events];
        let told = read_lines(&log.entries[&log.last_id]);
        assert_eq!(told[0].as_ref().unwrap().encode(), "T 0 0 retrying 2 0 w 10 timeout");
        let before = books.clone();
        assert_eq!(books.retry(&mut Moment::at(20), &order), [Retried::Stale]);
        assert_eq!(books, before);
    }

    #[test]
    fn what_has_ended_is_dropped_and_what_is_nobodys_is_left() {
        let mut books = Books::default();
        let garbage = pending(&mut books, &[("a", "b")]);
        assert_eq!(books.retry(&mut Moment::at(10), &garbage), [Retried::Stale]);
        let order = pending(&mut books, &[("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")]);
        let mut task = TaskBook::new(BTreeMap::new(), 1, 1, 9);
        task.state.insert((0, 0), Record::decode("cancelled 0 0 2").unwrap());
        books.tasks.insert(TaskId::new("T").unwrap(), task);
        assert_eq!(books.retry(&mut Moment::at(10), &order), [Retried::Dropped]);
        assert!(books.delayed.is_empty());
        assert_eq!(books.streams[&order.items[0].stream].entries.len(), 1);
    }
}
