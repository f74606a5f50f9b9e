//! Acknowledging what is pending and does not exist any more.

use super::{Books, EntryId, StreamName};

/// The answer to an exorcism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exorcised {
    /// It is not pending any more.
    Exorcised,
    /// It is no ghost: the entry exists.
    Kept,
    /// It was not pending.
    Gone,
}

impl Books {
    /// Takes a ghost out of the leases of a stream of work or of the log.
    pub fn exorcise(&mut self, name: &StreamName, entry_id: EntryId) -> Exorcised {
        if self.entry(name, entry_id).is_some() {
            return Exorcised::Kept;
        }
        if self.acknowledge(name, entry_id) { Exorcised::Exorcised } else { Exorcised::Gone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::{Fields, Moment};
    use proto_schemas::ConsumerName;

    #[test]
    fn only_what_is_held_and_does_not_exist_is_acknowledged_and_once() {
        let (name, by) = (StreamName::Events, ConsumerName::new("p").unwrap());
        let mut books = Books::default();
        books.create_group(&name);
        let entry_id = books.append(&mut Moment::at(1), &name, Fields::new());
        assert_eq!(books.exorcise(&name, entry_id), Exorcised::Kept);
        assert_eq!(books.lease(&name, &by, 1, 2), [entry_id]);
        assert_eq!(books.exorcise(&name, entry_id), Exorcised::Kept);
        books.delete(&name, entry_id);
        assert_eq!(books.exorcise(&name, entry_id), Exorcised::Exorcised);
        let before = books.clone();
        assert_eq!((books.exorcise(&name, entry_id), &books), (Exorcised::Gone, &before));
    }
}
