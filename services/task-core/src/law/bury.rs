//! Moving entries that gave up to the dead letters with their bytes and a reason, each only if it is still pending.

use super::dead_letter::Epitaph;
use super::identity::identify;
use super::{Books, EntryId, Moment, StoredResult, StreamName};
use proto_schemas::{ConsumerName, FactKind, Kind, SubtaskId, TaskId};

/// Entries to bury.
#[derive(Debug, Clone)]
pub struct Bury {
    /// Who gives up on them.
    pub by: ConsumerName,
    /// Which, and why.
    pub items: Vec<Burial>,
}

/// An entry to bury.
#[derive(Debug, Clone)]
pub struct Burial {
    /// Where it is pending.
    pub stream: StreamName,
    /// The entry.
    pub entry_id: EntryId,
    /// Whose it is; `None` of what is nobody's.
    pub owner: Option<Owner>,
    /// One word why.
    pub reason: Kind,
    /// A sentence why.
    pub error: String,
}

/// The subtask that fails with an entry.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Its task.
    pub task_id: TaskId,
    /// The subtask.
    pub subtask_id: SubtaskId,
    /// The result as JSON text, or nothing to store.
    pub result: Option<String>,
    /// Ms the result is kept.
    pub result_ttl_ms: u64,
}

/// The answer to one burial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buried {
    /// It is a dead letter now.
    Buried,
    /// It had ended already, as a cancel ends it: its entry is gone and nothing else was written.
    Dropped,
    /// It was no longer pending; nothing was written.
    Stale,
}

impl Books {
    /// Buries entries with their bytes and a reason; those that say whose they are fail their subtask.
    pub fn bury(&mut self, moment: &mut Moment, order: &Bury) -> Vec<Buried> {
        let (mut answers, mut lines) = (Vec::new(), Vec::new());
        for item in &order.items {
            answers.push(self.bury_one(moment, &order.by, item, &mut lines));
        }
        self.append_facts(moment, &order.by, &lines);
        answers
    }

    fn bury_one(&mut self, moment: &mut Moment, by: &ConsumerName, item: &Burial, lines: &mut Vec<String>) -> Buried {
        if !self.acknowledge(&item.stream, item.entry_id) {
            return Buried::Stale;
        }
        let fields = self.delete(&item.stream, item.entry_id).unwrap_or_default();
        let known = identify(&fields).known();
        let owned = known.as_ref().zip(item.owner.as_ref());
        if owned.is_some_and(|(it, owner)| self.has_ended(&owner.task_id, it.place())) {
            return Buried::Dropped;
        }
        let (reason, source) = (item.reason.as_str(), format!("{} {}", item.stream, item.entry_id));
        self.append_dead_letter(moment, &Epitaph { reason, error: &item.error, by, source }, fields);
        lines.extend(known.map(|it| it.line(FactKind::Failed, by, moment.now_ms, Some(reason))));
        if let Some(Owner { subtask_id, result: Some(json), result_ttl_ms, .. }) = item.owner.clone() {
            let expires_at_ms = moment.now_ms + result_ttl_ms;
            self.results.entry(subtask_id).or_insert(StoredResult { json, expires_at_ms });
        }
        Buried::Buried
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use crate::law::identity::read_lines;
    use crate::law::stream::text_field;
    use proto_schemas::{Priority, QueueName, Record};
    use std::collections::BTreeMap;

    #[test]
    fn garbage_is_kept_with_its_bytes_and_fails_nobody() {
        let stream = StreamName::Work(QueueName::default_queue(), Priority::Low);
        let by = ConsumerName::new("w").unwrap();
        let mut books = Books::default();
        books.create_group(&stream);
        let garbage = (b"\xff".to_vec(), b"\x00".to_vec());
        let entry_id = books.append(&mut Moment::at(1), &stream, vec![garbage.clone()]);
        books.lease(&stream, &by, 1, 1);
        let reason = Kind::new("malformed").unwrap();
        let item = Burial { stream, entry_id, owner: None, reason, error: String::new() };
        let order = Bury { by, items: vec![item.clone(), item] };
        assert_eq!(books.bury(&mut Moment::at(2), &order), [Buried::Buried, Buried::Stale]);
        let letters = &books.streams[&StreamName::DeadLetters];
        assert_eq!(letters.entries[&letters.last_id][4], garbage);
        assert_eq!(letters.entries[&letters.last_id][3], text_field(("source", "subtasks:default:low 1-0")));
        assert!(!books.streams.contains_key(&StreamName::Events));
    }

    #[test]
    fn an_owner_fails_with_its_entry_and_leaves_a_result_unless_it_had_ended() {
        let (stream, by) =
            (StreamName::Work(QueueName::default_queue(), Priority::Low), ConsumerName::new("w").unwrap());
        let owner = Owner {
            task_id: TaskId::new("T").unwrap(),
            subtask_id: SubtaskId::new("T-0").unwrap(),
            result: Some("1".to_owned()),
            result_ttl_ms: 5,
        };
        let mut books = Books::default();
        books.create_group(&stream);
        let fields = [("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")].map(text_field);
        for ended in [false, true] {
            let entry_id = books.append(&mut Moment::at(1), &stream, fields.clone().into());
            books.lease(&stream, &by, 1, 1);
            let (stream, owner) = (stream.clone(), Some(owner.clone()));
            let item = Burial { stream, entry_id, owner, reason: Kind::new("fatal").unwrap(), error: "e".to_owned() };
            let buried = books.bury(&mut Moment::at(2), &Bury { by: by.clone(), items: vec![item] });
            assert_eq!(buried, [if ended { Buried::Dropped } else { Buried::Buried }]);
            let mut task = TaskBook::new(BTreeMap::new(), 1, 1, 9);
            task.state.insert((0, 0), Record::decode("failed 1 0 2").unwrap());
            books.tasks.insert(TaskId::new("T").unwrap(), task);
        }
        assert_eq!((books.results.len(), books.streams[&StreamName::DeadLetters].entries.len()), (1, 1));
        let log = &books.streams[&StreamName::Events];
        let told = read_lines(&log.entries[&log.last_id]);
        assert_eq!(told[0].as_ref().unwrap().encode(), "T 0 0 failed 1 0 w 2 fatal");
    }
}
