//! Removing from `delayed` what is nobody's token.

use super::body::unpack;
use super::dead_letter::Epitaph;
use super::identity::{Identity, identify};
use super::{Books, Moment};
use proto_schemas::{ConsumerName, TaskId};

/// A member to remove.
#[derive(Debug, Clone)]
pub struct Undelay {
    /// Who removes it.
    pub by: ConsumerName,
    /// The member.
    pub member: String,
    /// The task that its body names, as the caller read it; one of another task is kept.
    pub task_id: Option<TaskId>,
}

/// The answer to an undelaying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelayed {
    /// It waits no more; a body that cannot be read is a dead letter.
    Removed,
    /// It is the token of a subtask, or a newer Millstream's.
    Kept,
    /// There is no such member.
    Gone,
}

impl Books {
    /// Removes a member without a body, one whose body is no entry, or one of a subtask that has ended.
    pub fn undelay(&mut self, moment: &mut Moment, order: &Undelay) -> Undelayed {
        if !self.delayed.contains_key(&order.member) {
            return Undelayed::Gone;
        }
        let fields = self.bodies.get(&order.member).and_then(|text| unpack(text)).map(|(_, fields, _)| fields);
        let identity = fields.map_or(Identity::Malformed, |fields| identify(&fields));
        let is_token = match &identity {
            Identity::Known(it) => {
                order.task_id.as_ref() != Some(&it.task_id) || !self.has_ended(&it.task_id, it.place())
            }
            Identity::Newer => true,
            Identity::Malformed => false,
        };
        if is_token {
            return Undelayed::Kept;
        }
        self.delayed.remove(&order.member);
        let text = self.bodies.remove(&order.member);
        if let Some(text) = text.filter(|_| identity == Identity::Malformed) {
            let source = format!("delayed {}", order.member);
            let epitaph = Epitaph { reason: "malformed", error: "", by: &order.by, source };
            self.append_dead_letter(moment, &epitaph, vec![(b"body".to_vec(), text)]);
        }
        Undelayed::Removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::body::pack;
    use crate::law::stream::text_field;
    use crate::law::{Fields, StreamName, TaskBook};
    use proto_schemas::{QueueName, Record};
    use std::collections::BTreeMap;

    /// A task of two whose first has ended, and a member of `delayed` with this body, if any.
    fn delayed(body: Option<&[u8]>) -> (Books, Undelay) {
        let task_id = TaskId::new("T").unwrap();
        let mut task = TaskBook::new(BTreeMap::new(), 2, 1, 500);
        task.state.insert((0, 0), Record::decode("completed 1 0 5").unwrap());
        let mut books = Books::default();
        books.tasks.insert(task_id.clone(), task);
        books.delayed.insert("m".to_owned(), 5);
        books.bodies.extend(body.map(|body| ("m".to_owned(), body.to_vec())));
        (books, Undelay { by: ConsumerName::new("o").unwrap(), member: "m".to_owned(), task_id: Some(task_id) })
    }

    fn entry(task: &str, index: u32, version: &str) -> Vec<u8> {
        let own = format!("{task}-{index}");
        let fields: Fields =
            [("v", version), ("task_id", task), ("subtask_id", &own), ("description", "d")].map(text_field).into();
        pack(&QueueName::default_queue(), &fields)
    }

    #[test]
    fn what_has_no_body_or_has_ended_goes_once_and_garbage_is_kept_as_a_letter() {
        for (body, letters) in [(None, 0), (Some(entry("T", 0, "1")), 0), (Some(b"nonsense".to_vec()), 1)] {
            let (mut books, order) = delayed(body.as_deref());
            assert_eq!(books.undelay(&mut Moment::at(9), &order), Undelayed::Removed);
            assert!(books.delayed.is_empty() && books.bodies.is_empty());
            assert_eq!(books.streams.get(&StreamName::DeadLetters).map_or(0, |kept| kept.entries.len()), letters);
            assert_eq!(books.undelay(&mut Moment::at(9), &order), Undelayed::Gone);
        }
    }

    #[test]
    fn a_token_of_this_or_another_task_and_what_is_newer_is_kept() {
        for (task, index, version) in [("T", 1, "1"), ("U", 0, "1"), ("T", 0, "2")] {
            let (mut books, order) = delayed(Some(&entry(task, index, version)));
            let before = books.clone();
            assert_eq!(books.undelay(&mut Moment::at(9), &order), Undelayed::Kept, "{task} {index} {version}");
            assert_eq!(books, before);
        }
        let (mut books, order) = delayed(Some(&entry("T", 0, "1")));
        let of_nobody = Undelay { task_id: None, ..order };
        assert_eq!(books.undelay(&mut Moment::at(9), &of_nobody), Undelayed::Kept);
    }
}
