//! Giving entries back unfinished, each only if it is still pending.

use super::identity::identify;
use super::{Books, EntryId, Moment, StreamName};
use proto_schemas::limit::ENTRY_FIELDS_MAX;
use proto_schemas::{ConsumerName, FactKind, Priority, QueueName};

/// Entries of one stream to give back.
#[derive(Debug, Clone)]
pub struct HandBack {
    /// Who gives them back.
    pub by: ConsumerName,
    /// Their queue.
    pub queue: QueueName,
    /// Their priority.
    pub priority: Priority,
    /// The entries.
    pub entry_ids: Vec<EntryId>,
}

/// The answer to one hand-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedBack {
    /// It waits for another worker.
    Returned,
    /// It was no longer pending, or its entry was gone; nothing was added. An entry of too many fields stays pending,
    /// for a reaper to bury.
    Stale,
}

impl Books {
    /// Adds each entry again as it was, no attempt and no crash counted, and rings for it.
    pub fn hand_back(&mut self, moment: &mut Moment, order: &HandBack) -> Vec<HandedBack> {
        let stream = StreamName::Work(order.queue.clone(), order.priority);
        let (mut answers, mut lines, mut added) = (Vec::new(), Vec::new(), 0);
        for &entry_id in &order.entry_ids {
            let fits = self.entry(&stream, entry_id).is_none_or(|fields| fields.len() <= ENTRY_FIELDS_MAX);
            let pending = fits && self.acknowledge(&stream, entry_id);
            let Some(fields) = pending.then(|| self.delete(&stream, entry_id)).flatten() else {
                answers.push(HandedBack::Stale);
                continue;
            };
            let identity = identify(&fields);
            self.append(moment, &stream, fields);
            lines.extend(identity.line(FactKind::Returned, identity.crashes(), &order.by, moment.now_ms));
            added += 1;
            answers.push(HandedBack::Returned);
        }
        self.append_facts(moment, &order.by, &lines);
        self.ring(&order.queue, added);
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_back_is_a_new_entry_with_the_same_bytes() {
        let (queue, priority) = (QueueName::default_queue(), Priority::Low);
        let stream = StreamName::Work(queue.clone(), priority);
        let by = ConsumerName::new("w").unwrap();
        let mut books = Books::default();
        books.create_group(&stream);
        let fields = vec![(b"a".to_vec(), b"\xff".to_vec())];
        let first = books.append(&mut Moment::at(1), &stream, fields.clone());
        let gone = books.append(&mut Moment::at(1), &stream, fields.clone());
        books.lease(&stream, &by, 2, 1);
        let unread = books.append(&mut Moment::at(1), &stream, fields.clone());
        books.delete(&stream, gone);
        let order = HandBack { by, queue: queue.clone(), priority, entry_ids: vec![first, first, gone, unread] };
        let stale = HandedBack::Stale;
        assert_eq!(books.hand_back(&mut Moment::at(2), &order), [HandedBack::Returned, stale, stale, stale]);
        let stream = &books.streams[&stream];
        let again = EntryId { ms: 2, sequence: 0 };
        assert_eq!(stream.entries.iter().collect::<Vec<_>>(), [(&unread, &fields), (&again, &fields)]);
        assert_eq!(books.bells[&queue], 1);
        assert!(stream.group.as_ref().unwrap().pending.is_empty());
    }
}
