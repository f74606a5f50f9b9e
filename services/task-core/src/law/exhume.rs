//! Giving a dead letter that belongs to no task back to the stream it came from, as a first attempt
//! without a deadline: its task is gone, and the deadline with it.

use super::entry::{field, set_field};
use super::identity::identify;
use super::{Books, EntryId, Fields, Moment, StreamName};
use proto_schemas::{Priority, QueueName};

/// A letter to give back.
#[derive(Debug, Clone)]
pub struct Exhume {
    /// The letter.
    pub letter_id: EntryId,
    /// The queue that it came from.
    pub queue: QueueName,
    /// The priority that it had.
    pub priority: Priority,
}

/// The answer to an exhumation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhumed {
    /// Its entry waits in its stream again.
    Exhumed,
    /// There is no such letter.
    Gone,
    /// What is left of it is not an entry that could run.
    Unfit,
}

/// What an entry without a task and without an attempt has not.
const LEFT_OUT: [&[u8]; 3] = [b"history", b"parked_at", b"deadline_ms"];

/// Fields that stand before the entry's own: reason, error, worker, source.
const EPITAPH_FIELDS: usize = 4;

impl Books {
    /// Gives one letter back without what it remembers of its attempts and of its task's deadline, and rings for it.
    pub fn exhume(&mut self, moment: &mut Moment, order: &Exhume) -> Exhumed {
        let Some(letter) = self.entry(&StreamName::DeadLetters, order.letter_id) else { return Exhumed::Gone };
        let own = letter.iter().skip(EPITAPH_FIELDS).filter(|(name, _)| !LEFT_OUT.contains(&name.as_slice()));
        let mut fields: Fields = own.cloned().collect();
        if identify(&fields).known().is_none() {
            return Exhumed::Unfit;
        }
        for (name, first) in [("attempt", "1"), ("crashes", "0")] {
            if field(&fields, name).is_some() {
                set_field(&mut fields, name, first);
            }
        }
        self.delete(&StreamName::DeadLetters, order.letter_id);
        self.append(moment, &StreamName::Work(order.queue.clone(), order.priority), fields);
        self.ring(&order.queue, 1);
        Exhumed::Exhumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::stream::text_field;

    #[test]
    fn a_letter_comes_back_as_a_first_attempt_or_not_at_all() {
        let epitaph = [("reason", "r"), ("error", ""), ("worker", "w"), ("source", "s")];
        let entry = [
            ("task_id", "T"),
            ("subtask_id", "T-0"),
            ("description", "d"),
            ("crashes", "3"),
            ("parked_at", "9"),
            ("history", "h"),
            ("deadline_ms", "7"),
        ];
        let mut books = Books::default();
        let letter = |books: &mut Books, fields: &[(&str, &str)]| {
            let fields = epitaph.iter().chain(fields).copied().map(text_field).collect();
            books.append(&mut Moment::at(1), &StreamName::DeadLetters, fields)
        };
        let (fit, unfit) = (letter(&mut books, &entry), letter(&mut books, &entry[1..]));
        let order = |letter_id| Exhume { letter_id, queue: QueueName::default_queue(), priority: Priority::Low };
        assert_eq!(books.exhume(&mut Moment::at(2), &order(unfit)), Exhumed::Unfit);
        assert_eq!(books.exhume(&mut Moment::at(2), &order(fit)), Exhumed::Exhumed);
        assert_eq!(books.exhume(&mut Moment::at(2), &order(fit)), Exhumed::Gone);
        let stream = &books.streams[&StreamName::Work(QueueName::default_queue(), Priority::Low)];
        let again: Fields = entry[..3].iter().chain(&[("crashes", "0")]).copied().map(text_field).collect();
        assert_eq!(stream.entries[&stream.last_id], again);
        assert_eq!((books.streams[&StreamName::DeadLetters].entries.len(), books.bells.len()), (1, 1));
    }
}
