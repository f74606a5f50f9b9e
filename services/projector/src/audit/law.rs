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
    TokenMissing = "token_missing", "a subtask that has not ended has a work entry, a delayed member, a place in its plan or an unfolded terminal fact";
    /// Such a subtask would run twice, or has.
    TokenDoubled = "token_doubled", "a subtask that has not ended has only one of these";
    /// After a cancel one is tolerated: the next reader drops it.
    TokenAfterRecord = "token_after_record", "a subtask that has ended has no work entry and no place in a plan left";
    /// It would wait for its time in vain, or until it is thrown away.
    DelayedLeftover = "delayed_leftover", "a delayed member has a body that is an entry, and its subtask has not ended";
    /// Nothing will ever release it.
    BlockedStuck = "blocked_stuck", "a blocked subtask waits for at least one parent and only for parents that have not ended";
    /// Something would start too early, too late or never, or nobody removes it.
    PlanDisagrees = "plan_disagrees", "entries, waits, edges and queues of a plan follow from the definitions, and an ended task has none";
    /// A fact of it would be ignored, or counted for another.
    GenerationDisagrees = "generation_disagrees", "a generation follows on one that has ended, the task knows of it, and nothing is of a later one";
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
    /// In which stream or set, if it is about one member of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Which entry or member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// What was found instead, for people.
    pub detail: String,
    /// The revision at which both passes found it, for who repairs it.
    #[serde(skip)]
    pub(crate) revision: Option<u64>,
}

impl Violation {
    fn new(law: Law, task_id: Option<&TaskId>, index: Option<u32>, detail: String) -> Self {
        Self { law, task_id: task_id.cloned(), index, place: None, member: None, detail, revision: None }
    }

    pub(crate) fn of_task(law: Law, task_id: &TaskId, detail: impl Into<String>) -> Self {
        Self::new(law, Some(task_id), None, detail.into())
    }

    pub(crate) fn of_subtask(law: Law, task_id: &TaskId, index: u32, detail: impl Into<String>) -> Self {
        Self::new(law, Some(task_id), Some(index), detail.into())
    }

    pub(crate) fn of_entry(law: Law, detail: impl Into<String>) -> Self {
        Self::new(law, None, None, detail.into())
    }

    /// Whether both say that the same law does not hold in the same place.
    pub(crate) fn is_about_the_same(&self, other: &Self) -> bool {
        let place = |one: &Self| (one.law, one.task_id.clone(), one.index, one.place.clone(), one.member.clone());
        place(self) == place(other)
    }

    /// Says which member of what it is about.
    pub(crate) fn at(mut self, place: impl fmt::Display, member: impl fmt::Display) -> Self {
        (self.place, self.member) = (Some(place.to_string()), Some(member.to_string()));
        self
    }

    /// Says at which revision of the task.
    pub(crate) fn seen_at(mut self, revision: u64) -> Self {
        self.revision = Some(revision);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, task_id, index, detail, .. } = self;
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
