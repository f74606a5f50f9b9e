//! Adding an entry again that nobody will ever read: it was delivered and is not pending.

use super::identity::identify;
use super::{Books, EntryId, Moment, StreamName};
use proto_schemas::limit::ENTRY_FIELDS_MAX;
use proto_schemas::{ConsumerName, FactKind, Priority, QueueName};

/// An entry to adopt.
#[derive(Debug, Clone)]
pub struct Adopt {
    /// Who adopts it.
    pub by: ConsumerName,
    /// Its queue.
    pub queue: QueueName,
    /// Its priority.
    pub priority: Priority,
    /// The entry.
    pub entry_id: EntryId,
}

/// The answer to an adoption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopted {
    /// It waits for a worker again, no attempt and no crash counted.
    Adopted,
    /// It is pending, not yet delivered, or of more fields than an entry has.
    Kept,
    /// There is no such entry.
    Gone,
}

impl Books {
    /// Adds one orphan again as it is, and rings for it; the log is told if it says whose it is.
    pub fn adopt(&mut self, moment: &mut Moment, order: &Adopt) -> Adopted {
        let name = StreamName::Work(order.queue.clone(), order.priority);
        let Some(fields) = self.entry(&name, order.entry_id) else { return Adopted::Gone };
        let has_room = fields.len() <= ENTRY_FIELDS_MAX;
        let group = self.streams.get(&name).and_then(|stream| stream.group.as_ref());
        let is_orphan =
            |group: &super::Group| order.entry_id <= group.delivered_id && !group.pending.contains_key(&order.entry_id);
        if !has_room || !group.is_some_and(is_orphan) {
            return Adopted::Kept;
        }
        let Some(fields) = self.delete(&name, order.entry_id) else { return Adopted::Gone };
        let attempt = identify(&fields).known();
        self.append(moment, &name, fields);
        let line = attempt.map(|it| it.line(FactKind::Returned, &order.by, moment.now_ms, None));
        self.append_facts(moment, &order.by, line.as_slice());
        self.ring(&order.queue, 1);
        Adopted::Adopted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Fields;
    use crate::law::stream::text_field;

    /// A stream of two entries, the first delivered to a worker that a hand removed.
    fn orphaned(fields: &Fields) -> (Books, Adopt) {
        let (by, queue, priority) = (ConsumerName::new("o").unwrap(), QueueName::default_queue(), Priority::Low);
        let name = StreamName::Work(queue.clone(), priority);
        let mut books = Books::default();
        books.create_group(&name);
        for now_ms in [1, 2] {
            books.append(&mut Moment::at(now_ms), &name, fields.clone());
        }
        let entry_id = books.lease(&name, &by, 1, 3)[0];
        books.streams.get_mut(&name).unwrap().group.as_mut().unwrap().pending.clear();
        (books, Adopt { by, queue, priority, entry_id })
    }

    #[test]
    fn an_orphan_waits_again_once_and_what_will_be_read_is_kept() {
        let fields: Fields = [("task_id", "T"), ("subtask_id", "T-4"), ("description", "d")].map(text_field).into();
        let (mut books, mut order) = orphaned(&fields);
        assert_eq!(books.adopt(&mut Moment::at(9), &order), Adopted::Adopted);
        let stream = &books.streams[&StreamName::Work(order.queue.clone(), order.priority)];
        let ids: Vec<String> = stream.entries.keys().map(EntryId::to_string).collect();
        assert_eq!((&ids[..], &stream.entries[&stream.last_id]), (&["2-0".to_owned(), "9-0".to_owned()][..], &fields));
        let told = books.streams[&StreamName::Events].entries.values().next().unwrap();
        assert_eq!((&told[2].1[..], books.bells[&order.queue]), (&b"T 4 0 returned 1 0 o 9"[..], 1));
        let before = books.clone();
        assert_eq!(books.adopt(&mut Moment::at(9), &order), Adopted::Gone);
        for entry_id in [EntryId { ms: 2, sequence: 0 }, EntryId { ms: 9, sequence: 0 }] {
            order.entry_id = entry_id;
            assert_eq!(books.adopt(&mut Moment::at(9), &order), Adopted::Kept, "{entry_id}");
        }
        assert_eq!(books, before);
    }

    #[test]
    fn garbage_is_added_without_a_fact_and_what_nobody_can_carry_stays() {
        for (count, expected) in [(ENTRY_FIELDS_MAX, Adopted::Adopted), (ENTRY_FIELDS_MAX + 1, Adopted::Kept)] {
            let (mut books, order) = orphaned(&vec![(b"x".to_vec(), b"\xff".to_vec()); count]);
            assert_eq!(books.adopt(&mut Moment::at(9), &order), expected);
            assert!(!books.streams.contains_key(&StreamName::Events));
        }
    }
}
