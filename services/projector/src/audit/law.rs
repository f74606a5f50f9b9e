//! The laws by name, and what breaks one.

use proto_schemas::TaskId;
use serde::Serialize;
use std::fmt;

macro_rules! laws {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $sentence:literal;)+) => {
        /// A law of the books.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        pub enum Law { $($(#[$doc])* #[serde(rename = $word)] $variant,)+ }

        impl Law {
            /// Every law, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for programs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What has to hold, as a sentence for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),+ }
            }
        }
    };
}

laws! {
    /// Such a subtask would never run.
    TokenMissing = "token_missing", "a subtask that has not ended has a work entry or an unfolded terminal fact";
    /// Such a subtask would run twice, or has.
    TokenDoubled = "token_doubled", "a subtask that has not ended has only one work entry or unfolded terminal fact";
    /// After a cancel one is tolerated: the next reader drops it.
    TokenAfterRecord = "token_after_record", "a subtask that has ended has no work entry left";
    /// What people read is not what is recorded.
    CountersDisagree = "counters_disagree", "the counters of a task are the histogram of its records";
    /// Something was counted twice.
    SumExceedsTotal = "sum_exceeds_total", "no more subtasks have ended than the task has";
    /// The status does not follow from the counters.
    StatusDisagrees = "status_disagrees", "a task is terminal exactly when all of its subtasks have ended";
    /// Lists of tasks would leave it out or lie, or it would never be removed.
    IndexDisagrees = "index_disagrees", "a task stands in the index of its status, in no other, and in lifetimes";
    /// Nobody will ever read it: what XGROUP DELCONSUMER by hand leaves.
    OrphanEntry = "orphan_entry", "a work entry is pending or not yet delivered";
    /// Someone deleted an entry that was being worked on.
    GhostPending = "ghost_pending", "a pending entry exists in its stream";
    /// How a subtask ended, or how far it is, cannot be told.
    RecordUnreadable = "record_unreadable", "every field of a task's outcomes is a record or a progress line";
    /// The task cannot be shown.
    TaskUnreadable = "task_unreadable", "every listed task is a hash that reads as a task";
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One place where a law does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which law.
    pub law: Law,
    /// Whose books, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// Which subtask, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// What was found instead, for people.
    pub detail: String,
}

impl Violation {
    pub(crate) fn of_task(law: Law, task_id: &TaskId, detail: impl Into<String>) -> Self {
        Self { law, task_id: Some(task_id.clone()), index: None, detail: detail.into() }
    }

    pub(crate) fn of_subtask(law: Law, task_id: &TaskId, index: u32, detail: impl Into<String>) -> Self {
        Self { law, task_id: Some(task_id.clone()), index: Some(index), detail: detail.into() }
    }

    pub(crate) fn of_entry(law: Law, detail: impl Into<String>) -> Self {
        Self { law, task_id: None, index: None, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, task_id, index, detail } = self;
        write!(f, "{law}")?;
        if let Some(task_id) = task_id {
            write!(f, " task {task_id}")?;
        }
        if let Some(index) = index {
            write!(f, " subtask {index}")?;
        }
        write!(f, ": {detail} (law: {})", law.sentence())
    }
}
