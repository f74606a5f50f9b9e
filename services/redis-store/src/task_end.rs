//! That a task has ended, as whoever ended it is told.

use fred::types::Value;
use proto_schemas::{Kind, TaskStatus};
use std::time::Duration;

/// The end of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEnd {
    /// How it ended.
    pub status: TaskStatus,
    /// From its submission to its last outcome.
    pub took: Duration,
    /// The kind of its subtasks; `None` if there are several.
    pub kind: Option<Kind>,
}

impl TaskEnd {
    /// Reads the three words of `write_task`: status, ms, and a kind or nothing.
    pub(crate) fn decode(words: &[Value]) -> Option<Self> {
        let [status, ms, kind] = words else { return None };
        let took = Duration::from_millis(ms.as_string()?.parse().ok()?);
        Some(Self { status: status.as_string()?.parse().ok()?, took, kind: Kind::new(kind.as_string()?).ok() })
    }
}
