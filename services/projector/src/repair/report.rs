//! What a repair answers: what was found, what was done about it, and what is left.

use crate::audit::law::Violation;
use crate::audit::report::Report;
use serde::Serialize;
use std::fmt;

/// What was done about one violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// The task was counted again from its records and the log.
    Recounted,
    /// It was added again: to its stream, to `delayed`, or to the plan if it has to wait for others.
    AddedAgain,
    /// The plan follows from the definitions again.
    Replanned,
    /// An end is in the log once more, so that its dependants are told.
    Retold,
    /// What does not exist any more was acknowledged.
    Acknowledged,
    /// What was nobody's token is gone.
    Removed,
    /// It was not as it had been: nothing was done.
    Moved,
    /// Nothing was done: whichever attempt ends first is recorded, and what is left is dropped by its reader.
    LeftToTheFence,
    /// Nothing was done: what it was cannot be told.
    LeftToAPerson,
}

/// A violation and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// What was done.
    pub deed: Deed,
    /// About what.
    pub violation: Violation,
}

/// The answer of a repair.
#[derive(Debug, Clone, Serialize)]
pub struct RepairReport {
    /// The last audit, after every repair: what is left.
    #[serde(flatten)]
    pub after: Report,
    /// What was done, in its order.
    pub repairs: Vec<Repair>,
}

impl RepairReport {
    /// Whether every law holds now.
    pub fn is_clean(&self) -> bool {
        self.after.is_clean()
    }
}

impl Deed {
    /// Whether nothing was done on purpose.
    pub(crate) fn is_left(self) -> bool {
        matches!(self, Self::LeftToTheFence | Self::LeftToAPerson)
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recounted => "counted again",
            Self::AddedAgain => "added again",
            Self::Replanned => "planned again",
            Self::Retold => "told again",
            Self::Acknowledged => "acknowledged",
            Self::Removed => "removed",
            Self::Moved => "left, it has moved",
            Self::LeftToTheFence => "left to the fence",
            Self::LeftToAPerson => "left to a person",
        })
    }
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Repair { deed, violation } in &self.repairs {
            writeln!(f, "{deed}: {violation}")?;
        }
        write!(f, "{}", self.after)
    }
}
