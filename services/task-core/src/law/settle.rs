//! Recording how attempts ended, each only if its entry is still pending.

use super::{Books, EntryId, Moment, StoredResult, StreamName};
use proto_schemas::{ConsumerName, Fact, SubtaskId};

/// A batch of attempts that ended.
#[derive(Debug, Clone)]
pub struct Settle {
    /// Who ran them.
    pub by: ConsumerName,
    /// How each ended.
    pub items: Vec<Settlement>,
}

/// How one attempt ended.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Where its entry is pending.
    pub stream: StreamName,
    /// Its entry.
    pub entry_id: EntryId,
    /// Whose result it is.
    pub subtask_id: SubtaskId,
    /// The terminal fact; its time is the moment's.
    pub fact: Fact,
    /// The result as JSON text, or nothing to store.
    pub result: Option<String>,
    /// Ms the result is kept.
    pub result_ttl_ms: u64,
}

/// The answer to one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// This is the one recorded outcome.
    Recorded,
    /// It had ended already, as a cancel ends it: its entry is gone and nothing else was written.
    Dropped,
    /// The entry was no longer pending; nothing was written.
    Stale,
}

impl Books {
    /// Settles a batch: acknowledges and deletes each entry, keeps its result unless one stands, tells the log.
    pub fn settle(&mut self, moment: &mut Moment, order: &Settle) -> Vec<Settled> {
        let mut lines = Vec::new();
        let answers = order.items.iter().map(|item| self.settle_one(moment.now_ms, item, &mut lines)).collect();
        self.append_facts(moment, &order.by, &lines);
        answers
    }

    fn settle_one(&mut self, now_ms: u64, item: &Settlement, lines: &mut Vec<String>) -> Settled {
        if !self.acknowledge(&item.stream, item.entry_id) {
            return Settled::Stale;
        }
        self.delete(&item.stream, item.entry_id);
        let place = item.fact.index.map(|index| (index, item.fact.generation));
        if place.is_some_and(|place| self.has_ended(&item.fact.task_id, place)) {
            return Settled::Dropped;
        }
        lines.push(Fact { at_ms: now_ms, ..item.fact.clone() }.encode());
        if let Some(json) = &item.result {
            let fresh = StoredResult { json: json.clone(), expires_at_ms: now_ms + item.result_ttl_ms };
            self.results.entry(item.subtask_id.clone()).or_insert(fresh);
        }
        Settled::Recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use proto_schemas::{Priority, QueueName, Record};
    use std::collections::BTreeMap;

    #[test]
    fn only_a_pending_entry_is_settled_and_only_once() {
        let stream = StreamName::Work(QueueName::default_queue(), Priority::Low);
        let by = ConsumerName::new("w").unwrap();
        let mut books = Books::default();
        books.create_group(&stream);
        let entry_id = books.append(&mut Moment::at(1), &stream, Vec::new());
        let fact = Fact::decode("T 0 0 completed 1 0 w 1").unwrap();
        let subtask_id = SubtaskId::new("T-0").unwrap();
        let result = Some("1".to_owned());
        let item = Settlement { stream, entry_id, subtask_id, fact, result, result_ttl_ms: 5 };
        let order = Settle { by: by.clone(), items: vec![item.clone(), item.clone()] };
        let before = books.clone();
        assert_eq!(books.settle(&mut Moment::at(2), &order), [Settled::Stale; 2]);
        assert_eq!(books, before);
        books.lease(&item.stream, &by, 1, 2);
        assert_eq!(books.settle(&mut Moment::at(3), &order), [Settled::Recorded, Settled::Stale]);
        assert!(books.streams[&item.stream].entries.is_empty());
        assert_eq!(books.results[&item.subtask_id].expires_at_ms, 8);
        assert_eq!(books.streams[&StreamName::Events].entries.len(), 1);
    }

    #[test]
    fn what_has_ended_is_dropped_without_a_trace() {
        let stream = StreamName::Work(QueueName::default_queue(), Priority::Low);
        let by = ConsumerName::new("w").unwrap();
        let fact = Fact::decode("T 0 0 completed 1 0 w 1").unwrap();
        let mut task = TaskBook::new(BTreeMap::new(), 1, 1, 9);
        task.state.insert((0, 0), Record::decode("cancelled 0 0 1").unwrap());
        let mut books = Books { tasks: BTreeMap::from([(fact.task_id.clone(), task)]), ..Books::default() };
        books.create_group(&stream);
        let entry_id = books.append(&mut Moment::at(1), &stream, Vec::new());
        books.lease(&stream, &by, 1, 2);
        let (subtask_id, result) = (SubtaskId::new("T-0").unwrap(), Some("1".to_owned()));
        let item = Settlement { stream, entry_id, subtask_id, fact, result, result_ttl_ms: 5 };
        assert_eq!(books.settle(&mut Moment::at(3), &Settle { by, items: vec![item.clone()] }), [Settled::Dropped]);
        assert!(books.streams[&item.stream].entries.is_empty() && books.results.is_empty());
        assert!(!books.streams.contains_key(&StreamName::Events));
    }
}
