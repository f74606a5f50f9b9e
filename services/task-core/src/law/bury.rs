//! Moving entries that gave up to the dead letters, each only if it is still pending.

use super::identity::identify;
use super::stream::text_field;
use super::{Books, EntryId, Fields, Moment, StreamName};
use proto_schemas::limit::ENTRY_FIELDS_MAX;
use proto_schemas::{ConsumerName, FactKind, Kind};

/// Entries of one stream to bury.
#[derive(Debug, Clone)]
pub struct Bury {
    /// Who gives up on them.
    pub by: ConsumerName,
    /// Where they are pending.
    pub stream: StreamName,
    /// Which, and why.
    pub items: Vec<Burial>,
}

/// An entry to bury.
#[derive(Debug, Clone)]
pub struct Burial {
    /// The entry.
    pub entry_id: EntryId,
    /// One word why.
    pub reason: Kind,
    /// A sentence why.
    pub error: String,
}

/// The answer to one burial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buried {
    /// It is a dead letter now.
    Buried,
    /// It was no longer pending; nothing was written.
    Stale,
}

/// What a dead letter says before the bytes of the entry.
pub(crate) struct Epitaph<'a> {
    pub reason: &'a str,
    pub error: &'a str,
    pub by: &'a ConsumerName,
    pub source: (&'a StreamName, EntryId),
}

impl Books {
    /// Buries entries with their bytes and a reason; those that say whose they are fail their subtask.
    pub fn bury(&mut self, moment: &mut Moment, order: &Bury) -> Vec<Buried> {
        let (stream, by) = (&order.stream, &order.by);
        let (mut answers, mut lines) = (Vec::new(), Vec::new());
        for item in &order.items {
            if !self.acknowledge(stream, item.entry_id) {
                answers.push(Buried::Stale);
                continue;
            }
            let fields = self.delete(stream, item.entry_id).unwrap_or_default();
            let identity = identify(&fields);
            let reason = item.reason.as_str();
            let epitaph = Epitaph { reason, error: &item.error, by, source: (stream, item.entry_id) };
            self.append_dead_letter(moment, &epitaph, fields);
            let line = identity.line(FactKind::Failed, identity.crashes(), by, moment.now_ms);
            lines.extend(line.map(|line| format!("{line} {reason}")));
            answers.push(Buried::Buried);
        }
        self.append_facts(moment, by, &lines);
        answers
    }

    pub(crate) fn append_dead_letter(&mut self, moment: &mut Moment, epitaph: &Epitaph, fields: Fields) {
        let Epitaph { reason, error, by, source: (stream, entry_id) } = epitaph;
        let source = format!("{stream} {entry_id}");
        let head = [("reason", *reason), ("error", error), ("worker", by.as_str()), ("source", &source)];
        let letter = head.map(text_field).into_iter().chain(pack(fields)).collect();
        self.append(moment, &StreamName::DeadLetters, letter);
    }
}

/// The fields of a dead letter: as they were, or too many of them as netstrings in the one field `packed`.
fn pack(fields: Fields) -> Fields {
    if fields.len() <= ENTRY_FIELDS_MAX {
        return fields;
    }
    let netstring = |text: &Vec<u8>| [text.len().to_string().as_bytes(), b":", text, b","].concat();
    let packed = fields.iter().flat_map(|(name, value)| [netstring(name), netstring(value)].concat()).collect();
    vec![(b"packed".to_vec(), packed)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_schemas::{Priority, QueueName};

    #[test]
    fn garbage_is_kept_with_its_bytes_and_fails_nobody() {
        let stream = StreamName::Work(QueueName::default_queue(), Priority::Low);
        let by = ConsumerName::new("w").unwrap();
        let mut books = Books::default();
        books.create_group(&stream);
        let garbage = (b"\xff".to_vec(), b"\x00".to_vec());
        let entry_id = books.append(&mut Moment::at(1), &stream, vec![garbage.clone()]);
        books.lease(&stream, &by, 1, 1);
        let item = Burial { entry_id, reason: Kind::new("malformed").unwrap(), error: String::new() };
        let order = Bury { by, stream, items: vec![item.clone(), item] };
        assert_eq!(books.bury(&mut Moment::at(2), &order), [Buried::Buried, Buried::Stale]);
        let letters = &books.streams[&StreamName::DeadLetters];
        assert_eq!(letters.entries[&letters.last_id][4], garbage);
        assert_eq!(letters.entries[&letters.last_id][3], text_field(("source", "subtasks:default:low 1-0")));
        assert!(!books.streams.contains_key(&StreamName::Events));
    }

    #[test]
    fn too_many_fields_are_packed_byte_for_byte() {
        let few = vec![(b"a".to_vec(), b"".to_vec()); ENTRY_FIELDS_MAX];
        assert_eq!(pack(few.clone()), few);
        let packed = pack([few, vec![(b"b,".to_vec(), b"\xff\n".to_vec())]].concat());
        assert_eq!(packed.len(), 1);
        assert!(packed[0].1.starts_with(b"1:a,0:,1:a,") && packed[0].1.ends_with(b",2:b,,2:\xff\n,"));
    }
}
