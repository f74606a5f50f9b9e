//! A dead letter, read: what the burial says of it, and the entry it was.

use proto_schemas::{Priority, WorkEntry};
use redis_store::Stream;
use redis_store::read::StreamEntry;

/// The fields that a burial puts in front of an entry's own.
const OWN: [&str; 4] = ["reason", "error", "worker", "source"];

/// A dead letter.
pub struct Letter {
    /// Its id among the letters.
    pub entry_id: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub error: String,
    /// Who buried it.
    pub worker: String,
    /// The stream it came from and its id there.
    pub source: String,
    /// The fields of the entry as they lay there.
    pub fields: Vec<(String, String)>,
    /// The same as a work entry, if it is one.
    pub entry: Option<WorkEntry>,
}

impl Letter {
    /// Reads what lies in the stream.
    pub fn read(stored: StreamEntry) -> Self {
        let StreamEntry { entry_id, mut fields } = stored;
        let is_ours = fields.len() >= OWN.len() && fields.iter().zip(OWN).all(|((name, _), own)| name == own);
        let rest = fields.split_off(if is_ours { OWN.len() } else { 0 });
        let mut own = fields.into_iter().map(|(_, value)| value);
        let mut next = || own.next().unwrap_or_default();
        let (reason, error, worker, source) = (next(), next(), next(), next());
        let priority = stream(&source).map_or(Priority::Medium, |stream| stream.priority);
        let bytes = rest.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let entry = WorkEntry::decode(bytes, priority).ok();
        Self { entry_id, reason, error, worker, source, fields: rest, entry }
    }

    /// A field of the entry, the last of equal names.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The kind, also where the entry leaves it out.
    pub fn kind(&self) -> Option<&str> {
        self.entry.as_ref().map(|entry| entry.kind.as_str()).or_else(|| self.field("kind"))
    }

    /// The stream it came from, if it was one of work.
    pub fn stream(&self) -> Option<Stream> {
        stream(&self.source)
    }
}

fn stream(source: &str) -> Option<Stream> {
    Stream::of_key(source.split_once(' ')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(fields: &[(&str, &str)]) -> Letter {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Letter::read(StreamEntry { entry_id: "1-0".to_owned(), fields })
    }

    const HEAD: [(&str, &str); 4] =
        [("reason", "broken"), ("error", "e"), ("worker", "w"), ("source", "subtasks:q:high 5-0")];

    #[test]
    fn a_letter_is_what_the_burial_says_and_the_entry_it_was() {
        let mut fields = HEAD.to_vec();
        fields.extend([("task_id", "T"), ("subtask_id", "T-3"), ("description", "d"), ("reason", "of the entry")]);
        let letter = letter(&fields);
        assert_eq!((letter.reason.as_str(), letter.field("reason")), ("broken", Some("of the entry")));
        assert_eq!(letter.entry.as_ref().map(|entry| (entry.index, entry.priority)), Some((3, Priority::High)));
        assert_eq!(letter.kind(), Some("simulate"));
        assert_eq!(letter.stream().map(|stream| stream.key()).as_deref(), Some("subtasks:q:high"));
    }

    #[test]
    fn garbage_is_a_letter_too() {
        let garbage = letter(&[HEAD[0], HEAD[1], HEAD[2], ("source", "events 5-0"), ("line", "x")]);
        assert!(garbage.entry.is_none() && garbage.stream().is_none() && garbage.kind().is_none());
        let foreign = letter(&[("a", "b")]);
        assert_eq!((foreign.reason.as_str(), foreign.field("a")), ("", Some("b")));
    }
}
