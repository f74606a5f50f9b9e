//! What a script reads out of an entry before it says anything about it in the log.

use super::Fields;
use proto_schemas::{ConsumerName, EntryError, Fact, FactKind, Priority, SubtaskId, TaskId, WorkEntry};

/// Whose attempt an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A subtask's.
    Known(Attempt),
    /// Written by a newer Millstream: not ours to judge.
    Newer,
    /// Nobody's.
    Malformed,
}

/// An attempt at a subtask, as its entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The task.
    pub task_id: TaskId,
    /// The subtask.
    pub subtask_id: SubtaskId,
    /// The subtask's place in the plan.
    pub index: u32,
    /// The generation.
    pub generation: u32,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// How many workers died with it.
    pub crashes: u32,
}

/// Reads an entry with the verdict and the defaults of the reader's decode.
pub fn identify(fields: &Fields) -> Identity {
    let pairs = fields.iter().map(|(name, value)| (&name[..], &value[..]));
    match WorkEntry::decode(pairs, Priority::Medium) {
        Ok(WorkEntry { task_id, subtask_id, index, generation, attempt, crashes, .. }) => {
            Identity::Known(Attempt { task_id, subtask_id, index, generation, attempt, crashes })
        }
        Err(EntryError::Newer(_)) => Identity::Newer,
        Err(EntryError::Missing(_) | EntryError::Malformed(_)) => Identity::Malformed,
    }
}

impl Identity {
    /// The attempt, if it can be read.
    pub fn known(self) -> Option<Attempt> {
        match self {
            Self::Known(attempt) => Some(attempt),
            Self::Newer | Self::Malformed => None,
        }
    }
}

impl Attempt {
    /// Where its outcome is kept: index and generation.
    pub fn place(&self) -> (u32, u32) {
        (self.index, self.generation)
    }

    /// The same after one more worker died with it.
    pub(crate) fn crashed(self) -> Self {
        Self { crashes: self.crashes.saturating_add(1), ..self }
    }

    /// The line of the log that says what happened to it.
    pub(crate) fn line(&self, kind: FactKind, by: &ConsumerName, at_ms: u64, reason: Option<&str>) -> String {
        let fact = Fact {
            task_id: self.task_id.clone(),
            index: Some(self.index),
            last: None,
            generation: self.generation,
            kind,
            attempt: self.attempt,
            crashes: self.crashes,
            worker: by.clone(),
            at_ms,
            reason: None,
        };
        with_reason(fact.encode(), reason)
    }

    /// The line that its entry remembers of it.
    pub(crate) fn memory(&self, kind: FactKind, by: &ConsumerName, at_ms: u64, reason: Option<&str>) -> String {
        with_reason(format!("{} {} {kind} {at_ms} {by}", self.attempt, self.crashes), reason)
    }
}

fn with_reason(line: String, reason: Option<&str>) -> String {
    reason.map_or(line.clone(), |reason| format!("{line} {reason}"))
}

/// The lines of an entry of the log, each read or kept as it is. An entry without `facts` is one line that is none.
pub fn read_lines(fields: &Fields) -> Vec<Result<Fact, Vec<u8>>> {
    let read = |line: &[u8]| std::str::from_utf8(line).ok().and_then(|text| Fact::decode(text).ok());
    match fields.iter().find(|(name, _)| name == b"facts") {
        Some((_, facts)) => {
            facts.split(|&byte| byte == b'\n').map(|line| read(line).ok_or_else(|| line.to_vec())).collect()
        }
        None => vec![Err(fields.iter().flat_map(|(name, value)| [name, &b"="[..], value, b" "].concat()).collect())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::stream::text_field;
    use proto_schemas::limit::ENTRY_FIELDS_MAX;

    fn with(more: &[(&str, &str)]) -> Identity {
        let base = [("task_id", "T"), ("subtask_id", "T-4"), ("description", "d")];
        identify(&base.iter().chain(more).copied().map(text_field).collect())
    }

    #[test]
    fn a_hand_written_entry_gets_the_defaults_of_readers() {
        let numbers = |more: &[(&str, &str)]| {
            let it = with(more).known().unwrap();
            (it.index, it.generation, it.attempt, it.crashes)
        };
        assert_eq!(numbers(&[]), (4, 0, 1, 0));
        assert_eq!(numbers(&[("index", "7"), ("attempt", "2"), ("crashes", "1"), ("crashes", "2")]), (7, 0, 2, 2));
        assert_eq!(numbers(&[("subtask_id", "plain")]), (0, 0, 1, 0));
    }

    #[test]
    fn garbage_is_malformed_and_a_newer_version_is_not_judged() {
        for (name, value) in [
            ("v", "x"),
            ("task_id", "a b"),
            ("subtask_id", ""),
            ("index", "-1"),
            ("attempt", "0"),
            ("crashes", "4294967296"),
            ("generation", "0000000000000001"),
            ("kind", "a b"),
            ("timeout_ms", "soon"),
        ] {
            assert_eq!(with(&[(name, value)]), Identity::Malformed, "{name}={value}");
        }
        assert_eq!(identify(&vec![]), Identity::Malformed);
        assert_eq!(with(&[("v", "2"), ("task_id", "a b")]), Identity::Newer);
        assert!(with(&[("x", "y"); ENTRY_FIELDS_MAX - 8]).known().is_some());
        assert_eq!(with(&[("x", "y"); ENTRY_FIELDS_MAX - 7]), Identity::Malformed);
    }

    #[test]
    fn a_log_entry_is_read_line_by_line() {
        let lines = read_lines(&vec![text_field(("facts", "t 0 0 started 1 0 w 5\n\u{fc}"))]);
        assert_eq!(lines[0].as_ref().unwrap().encode(), "t 0 0 started 1 0 w 5");
        assert_eq!(lines[1], Err("\u{fc}".as_bytes().to_vec()));
        assert_eq!(read_lines(&vec![text_field(("a", "b"))]), [Err(b"a=b ".to_vec())]);
    }
}
