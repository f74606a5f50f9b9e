//! The words for where a task or a subtask stands, and how urgent it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A word that is not one of the known ones; carries the noun, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {0}")]
pub struct UnknownWord(pub &'static str);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $noun:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire and in Redis.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err(UnknownWord($noun)) }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Where a task stands. The last three are terminal.
    TaskStatus, "task status" {
        /// Accepted; nothing has started.
        Queued = "queued",
        /// At least one subtask has started or ended.
        Processing = "processing",
        /// Every subtask completed.
        Completed = "completed",
        /// Every subtask ended and at least one failed.
        Failed = "failed",
        /// Cancelled before every subtask had ended.
        Cancelled = "cancelled",
    }
}

words! {
    /// Where a subtask stands. The last three are terminal.
    SubtaskStatus, "subtask status" {
        /// Waits for the subtasks it depends on.
        Blocked = "blocked",
        /// Waits for a worker.
        Queued = "queued",
        /// Waits for its time.
        Delayed = "delayed",
        /// A worker holds it.
        Running = "running",
        /// Ended well.
        Completed = "completed",
        /// Gave up.
        Failed = "failed",
        /// Cancelled, or skipped because a parent failed.
        Cancelled = "cancelled",
    }
}

words! {
    /// How a subtask ended: the first word of its terminal record.
    Outcome, "outcome" {
        /// The handler answered.
        Completed = "completed",
        /// The handler gave up, or was given up on.
        Failed = "failed",
        /// It will not run.
        Cancelled = "cancelled",
    }
}

words! {
    /// How urgent a subtask is, most urgent first: the order in which streams are listed.
    Priority, "priority" {
        /// 3 and above.
        Critical = "critical",
        /// 2.
        High = "high",
        /// 1, and what an absent priority means.
        Medium = "medium",
        /// 0.
        Low = "low",
    }
}

words! {
    /// What becomes of a subtask when one that it depends on does not complete.
    OnFailure, "on_failure" {
        /// Everything of the task that has not ended is cancelled.
        FailFast = "fail_fast",
        /// It is cancelled, and so on along its own edges; the rest of the task goes on.
        Skip = "skip",
        /// It runs once all it depends on has ended, however it ended.
        Continue = "continue",
    }
}

words! {
    /// The way a task came in; it decides the words the client reads.
    Door, "door" {
        /// `/tasks`.
        Native = "native",
        /// `/assign-task/`.
        Typed = "typed",
        /// `/submit`.
        Gated = "gated",
    }
}

impl TaskStatus {
    /// Whether no fact of the same generation can change it any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl Priority {
    /// The number a client may send for it: 0 low to 3 critical; everything above 3 is critical.
    pub fn level(self) -> u32 {
        match self {
            Self::Critical => 3,
            Self::High => 2,
            Self::Medium => 1,
            Self::Low => 0,
        }
    }

    /// The priority for a client's number.
    pub fn from_level(level: u64) -> Self {
        match level {
            0 => Self::Low,
            1 => Self::Medium,
            2 => Self::High,
            _ => Self::Critical,
        }
    }

    /// Its place in [`Priority::ALL`].
    pub fn rank(self) -> usize {
        self as usize
    }
}

impl From<Outcome> for SubtaskStatus {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Failed => Self::Failed,
            Outcome::Cancelled => Self::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_itself() {
        for status in TaskStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        for priority in Priority::ALL {
            assert_eq!(priority.as_str().parse(), Ok(*priority));
            assert_eq!(Priority::from_level(priority.level().into()), *priority);
        }
        assert_eq!("Queued".parse::<TaskStatus>(), Err(UnknownWord("task status")));
    }
}
