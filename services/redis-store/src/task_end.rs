//! That a task has ended, as whoever ended it is told.

use fred::types::Value;
use proto_schemas::{Kind, Task, TaskStatus};
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
    /// That of `task`, whose subtasks are of `kinds`; `None` if it has not ended.
    pub fn of<'a>(task: &Task, kinds: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let took = Duration::from_millis(task.finished_at_ms?.saturating_sub(task.created_at_ms));
        let mut kinds = kinds.into_iter();
        let first = kinds.next();
        let only = first.filter(|first| kinds.all(|kind| kind == *first));
        Some(Self { status: task.status, took, kind: only.and_then(|kind| Kind::new(kind).ok()) })
    }

    /// Reads the three words of a script: status, ms, and a kind or nothing.
    pub(crate) fn decode(words: &[Value]) -> Option<Self> {
        let [status, ms, kind] = words else { return None };
        let took = Duration::from_millis(ms.as_string()?.parse().ok()?);
        Some(Self { status: status.as_string()?.parse().ok()?, took, kind: Kind::new(kind.as_string()?).ok() })
    }
}
