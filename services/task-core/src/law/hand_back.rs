//! Giving entries back unfinished, each only if it is still pending: at once, or after a pause.

use super::body::{pack, unpack};
use super::entry::{field, keep_priority, set_field};
use super::identity::{Attempt, identify};
use super::{Books, EntryId, Fields, Moment, StreamName};
use proto_schemas::limit::ENTRY_FIELDS_MAX;
use proto_schemas::{ConsumerName, FactKind, Priority, QueueName, TaskId};

/// Entries of one stream to give back.
#[derive(Debug, Clone)]
pub struct HandBack {
    /// Who gives them back.
    pub by: ConsumerName,
    /// Their queue.
    pub queue: QueueName,
    /// Their priority.
    pub priority: Priority,
    /// Ms that what can be read waits for a worker of its kind; 0 gives it back at once.
    pub park_ms: u64,
    /// The entries.
    pub entries: Vec<Unfinished>,
}

/// An entry to give back.
#[derive(Debug, Clone)]
pub struct Unfinished {
    /// Its id.
    pub entry_id: EntryId,
    /// Whose it is; `None` if that cannot be read.
    pub task_id: Option<TaskId>,
}

/// The answer to one hand-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedBack {
    /// It waits for another worker.
    Returned,
    /// It waits for its time.
    Parked,
    /// It had ended already, as a cancel ends it: its entry is gone and nothing else was written.
    Dropped,
    /// It was no longer pending, or its entry was gone; nothing was added. An entry of too many fields stays pending,
    /// for a reaper to bury; one to be parked where a later generation of it waits is gone, it would take its place.
    Stale,
}

impl Books {
    /// Adds each entry again as it was and rings for it, or parks it; no attempt and no crash counted.
    pub fn hand_back(&mut self, moment: &mut Moment, order: &HandBack) -> Vec<HandedBack> {
        let stream = StreamName::Work(order.queue.clone(), order.priority);
        let (mut answers, mut lines) = (Vec::new(), Vec::new());
        for Unfinished { entry_id, task_id } in &order.entries {
            let entry_id = *entry_id;
            let fits = self.entry(&stream, entry_id).is_none_or(|fields| fields.len() <= ENTRY_FIELDS_MAX);
            let pending = fits && self.acknowledge(&stream, entry_id);
            let Some(fields) = pending.then(|| self.delete(&stream, entry_id)).flatten() else {
                answers.push(HandedBack::Stale);
                continue;
            };
            let ended = |it: &Attempt| task_id.as_ref().is_some_and(|task_id| self.has_ended(task_id, it.place()));
            match identify(&fields).known() {
                Some(it) if ended(&it) => answers.push(HandedBack::Dropped),
                Some(it) if order.park_ms > 0 && self.is_overtaken(&it) => answers.push(HandedBack::Stale),
                Some(it) if order.park_ms > 0 => {
                    lines.extend(self.park(moment.now_ms, order, &it, fields));
                    answers.push(HandedBack::Parked);
                }
                known => {
                    self.append(moment, &stream, fields);
                    lines.extend(known.map(|it| it.line(FactKind::Returned, &order.by, moment.now_ms, None)));
                    self.ring(&order.queue, 1);
                    answers.push(HandedBack::Returned);
                }
            }
        }
        self.append_facts(moment, &order.by, &lines);
        answers
    }

    /// Lets an entry wait in `delayed`; the log is told the first time.
    fn park(&mut self, now_ms: u64, order: &HandBack, it: &Attempt, mut fields: Fields) -> Option<String> {
        let is_first = field(&fields, "parked_at").is_none();
        if is_first {
            set_field(&mut fields, "parked_at", now_ms.to_string());
        }
        keep_priority(&mut fields, &StreamName::Work(order.queue.clone(), order.priority));
        self.delay(&it.subtask_id, now_ms + order.park_ms, pack(&order.queue, &fields));
        is_first.then(|| it.line(FactKind::Parked, &order.by, now_ms, None))
    }

    /// Whether a later generation of it waits in `delayed`.
    fn is_overtaken(&self, it: &Attempt) -> bool {
        let waiting = self.bodies.get(it.subtask_id.as_str()).and_then(|body| unpack(body));
        let waiting = waiting.and_then(|(_, fields, _)| identify(&fields).known());
        waiting.is_some_and(|waiting| waiting.generation > it.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use crate::law::stream::text_field;
    use proto_schemas::Record;
    use std::collections::BTreeMap;

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
        let entries = [first, first, gone, unread].map(|entry_id| Unfinished { entry_id, task_id: None }).to_vec();
        let order = HandBack { by, queue: queue.clone(), priority, park_ms: 0, entries };
        let stale = HandedBack::Stale;
        assert_eq!(books.hand_back(&mut Moment::at(2), &order), [HandedBack::Returned, stale, stale, stale]);
        let stream = &books.streams[&stream];
        let again = EntryId { ms: 2, sequence: 0 };
        assert_eq!(stream.entries.iter().collect::<Vec<_>>(), [(&unread, &fields), (&again, &fields)]);
        assert_eq!(books.bells[&queue], 1);
        assert!(stream.group.as_ref().unwrap().pending.is_empty());
    }

    #[test]
    fn what_is_parked_waits_for_its_time_and_never_in_the_place_of_a_later_generation() {
        let (queue, by) = (QueueName::default_queue(), ConsumerName::new("w").unwrap());
        let stream = StreamName::Work(queue.clone(), Priority::Low);
        let mut books = Books::default();
        books.create_group(&stream);
        let mut park = |now_ms, more: &[(&str, &str)], answer| {
            let base = [("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")];
            let fields = base.iter().chain(more).copied().map(text_field).collect();
            let entry_id = books.append(&mut Moment::at(now_ms), &stream, fields);
            let entries = vec![Unfinished { entry_id, task_id: Some("T".parse().unwrap()) }];
            books.lease(&stream, &by, 1, now_ms);
            let order = HandBack { by: by.clone(), queue: queue.clone(), priority: Priority::Low, park_ms: 5, entries };
            assert_eq!(books.hand_back(&mut Moment::at(now_ms), &order), [answer]);
            let told = books.streams.get(&StreamName::Events).map_or(0, |log| log.entries.len());
            let body = String::from_utf8(books.bodies["T-0"].clone()).unwrap();
            (books.delayed["T-0"], told, body.contains("\"generation\",\"1\""))
        };
        assert_eq!(park(10, &[], HandedBack::Parked), (15, 1, false));
        assert_eq!(park(20, &[("parked_at", "10")], HandedBack::Parked), (25, 1, false));
        assert_eq!(park(30, &[("generation", "1")], HandedBack::Parked), (35, 2, true));
        assert_eq!(park(40, &[], HandedBack::Stale), (35, 2, true));
    }

    #[test]
    fn what_has_a_record_of_its_generation_is_dropped_wherever_it_was_to_go() {
        for (park_ms, more, answer) in [
            (0, ("generation", "0"), HandedBack::Dropped),
            (5, ("generation", "0"), HandedBack::Dropped),
            (0, ("generation", "1"), HandedBack::Returned),
        ] {
            let (queue, by) = (QueueName::default_queue(), ConsumerName::new("w").unwrap());
            let stream = StreamName::Work(queue.clone(), Priority::Low);
            let mut books = Books::default();
            books.create_group(&stream);
            let base = [("task_id", "T"), ("subtask_id", "T-0"), ("description", "d"), more];
            let entry_id = books.append(&mut Moment::at(1), &stream, base.map(text_field).to_vec());
            books.lease(&stream, &by, 1, 1);
            let task_id: TaskId = "T".parse().unwrap();
            let mut task = TaskBook::new(BTreeMap::new(), 1, 1, 9);
            task.state.insert((0, 0), Record::decode("cancelled 0 0 5").unwrap());
            books.tasks.insert(task_id.clone(), task);
            let entries = vec![Unfinished { entry_id, task_id: Some(task_id) }];
            let order = HandBack { by, queue, priority: Priority::Low, park_ms, entries };
            assert_eq!(books.hand_back(&mut Moment::at(2), &order), [answer]);
            let is_left = !books.streams[&stream].entries.is_empty() || !books.delayed.is_empty();
            assert_eq!(is_left, answer != HandedBack::Dropped);
        }
    }
}
