//! What somebody was told to have recorded.

use proto_schemas::{ConsumerName, Fact, Outcome, Record, TaskId, WorkEntry};
use std::fmt;

/// One life of a subtask: where exactly one outcome may stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub task_id: TaskId,
    pub index: u32,
    pub generation: u32,
}

impl Place {
    /// The life that an entry belongs to.
    pub fn of(entry: &WorkEntry) -> Self {
        Self { task_id: entry.task_id.clone(), index: entry.index, generation: entry.generation }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}@{}", self.task_id, self.index, self.generation)
    }
}

/// An outcome that Redis said was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub outcome: Outcome,
    pub attempt: u32,
    /// Who recorded it.
    pub worker: ConsumerName,
    /// The result that went with it.
    pub result: Option<String>,
}

impl Claim {
    /// Whether the fact tells of this claim.
    pub fn is_told_by(&self, fact: &Fact) -> bool {
        fact.worker == self.worker && Record::of(fact).is_some_and(|record| self.is_kept_by(&record))
    }

    /// Whether the record is of this claim.
    pub fn is_kept_by(&self, record: &Record) -> bool {
        record.outcome == self.outcome && record.attempt == self.attempt
    }
}

/// Whether nobody who ran it recorded this: an operator, a deadline or a parent did.
pub fn is_from_outside(record: &Record) -> bool {
    record.outcome == Outcome::Cancelled && record.attempt == 0
}
