//! What readers saw of a task, change by change.

use crate::clock::Moment;
use std::sync::Arc;

/// A task as one reader saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Who looked.
    pub reader: u32,
    /// At what.
    pub task_id: Arc<str>,
    /// When.
    pub at: Moment,
    /// How often the document had changed, by its own account.
    pub revision: u64,
    /// Whether it said that the task had ended, and how.
    pub ended: Option<Ended>,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Every subtask did its work.
    Completed,
    /// At least one gave up.
    Failed,
    /// It was cancelled before it could end.
    Cancelled,
}

impl Ended {
    /// Reads the word of a status; `None` for one that is not terminal.
    pub fn read(status: &str) -> Option<Self> {
        match status {
            "completed" => Some(Self::Completed),
            "failed" => Some(Self::Failed),
            "cancelled" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

impl Sighting {
    /// The line as it is appended.
    pub fn encode(&self) -> String {
        let Self { reader, task_id, at, revision, ended } = self;
        let ended = ended.map_or_else(|| "open".to_owned(), |ended| format!("{ended:?}").to_lowercase());
        format!("{at} reader-{reader} {task_id} {revision} {ended}")
    }
}
