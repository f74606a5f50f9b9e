//! Names of log fields; the same word in every crate.

/// A task's id.
pub const TASK_ID: &str = "task_id";
/// A subtask's id.
pub const SUBTASK_ID: &str = "subtask_id";
/// The id of a stream entry: one attempt.
pub const ENTRY_ID: &str = "entry_id";
/// A kind of work.
pub const KIND: &str = "kind";
/// The trace that a request belongs to, if it is recorded.
pub const TRACE_ID: &str = "trace_id";
/// A consumer of a group: one process.
pub const CONSUMER: &str = "consumer";
