//! What messages are called, and sets of these names as clients choose them.

use proto_schemas::{Fact, FactKind, TaskStatus};

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// What a message tells.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Name { $($(#[$doc])* $variant),+ }

        impl Name {
            /// Every name, in the order of a task's path.
            pub const ALL: &[Name] = &[$(Name::$variant),+];

            /// As it stands after `event:`.
            pub fn as_str(self) -> &'static str {
                match self { $(Name::$variant => $text),+ }
            }
        }
    };
}

names! {
    /// The task was accepted.
    TaskCreated = "task.created",
    /// An attempt has been running for a while.
    SubtaskStarted = "subtask.started",
    /// An attempt failed and another is scheduled.
    SubtaskRetrying = "subtask.retrying",
    /// A worker died with it.
    SubtaskCrashed = "subtask.crashed",
    /// A worker handed it back.
    SubtaskReturned = "subtask.returned",
    /// It waits for a worker that serves its kind.
    SubtaskParked = "subtask.parked",
    /// It ended well.
    SubtaskCompleted = "subtask.completed",
    /// It gave up.
    SubtaskFailed = "subtask.failed",
    /// It will not run.
    SubtaskCancelled = "subtask.cancelled",
    /// It runs again.
    SubtaskRequeued = "subtask.requeued",
    /// All of the task completed. This and the next two are no facts of the log: the fold computes them.
    TaskCompleted = "task.completed",
    /// The task has ended, and something of it failed.
    TaskFailed = "task.failed",
    /// The task has ended, nothing failed and something was cancelled.
    TaskCancelled = "task.cancelled",
}

impl Name {
    /// The name of a fact; none of one that no script of ours writes.
    pub fn of(fact: &Fact) -> Option<Self> {
        Some(match (fact.kind, fact.index) {
            (FactKind::Created, None) => Self::TaskCreated,
            (FactKind::Created, Some(_)) | (_, None) => return None,
            (FactKind::Started, _) => Self::SubtaskStarted,
            (FactKind::Retrying, _) => Self::SubtaskRetrying,
            (FactKind::Crashed, _) => Self::SubtaskCrashed,
            (FactKind::Returned, _) => Self::SubtaskReturned,
            (FactKind::Parked, _) => Self::SubtaskParked,
            (FactKind::Completed, _) => Self::SubtaskCompleted,
            (FactKind::Failed, _) => Self::SubtaskFailed,
            (FactKind::Cancelled, _) => Self::SubtaskCancelled,
            (FactKind::Requeued, _) => Self::SubtaskRequeued,
        })
    }

    /// The name of an end; none while a task is open.
    pub fn of_end(status: TaskStatus) -> Option<Self> {
        match status {
            TaskStatus::Queued | TaskStatus::Processing => None,
            TaskStatus::Completed => Some(Self::TaskCompleted),
            TaskStatus::Failed => Some(Self::TaskFailed),
            TaskStatus::Cancelled => Some(Self::TaskCancelled),
        }
    }

    /// Whether it may be the last of its task.
    pub fn may_end(self) -> bool {
        matches!(self, Self::SubtaskCompleted | Self::SubtaskFailed | Self::SubtaskCancelled)
    }
}

/// Some of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names(u16);

impl Names {
    /// All of them.
    pub fn all() -> Self {
        Name::ALL.iter().fold(Self::none(), |names, name| names.with(*name))
    }

    /// None of them.
    pub fn none() -> Self {
        Self(0)
    }

    /// Reads a list like `task.*,subtask.completed`; `None` if a part of it fits no name.
    pub fn read(text: &str) -> Option<Self> {
        text.split(',').try_fold(Self::none(), |names, part| {
            let part = part.trim_matches(' ');
            let fits = |name: &Name| match part.strip_suffix('*') {
                Some(head) => (head.is_empty() || head.ends_with('.')) && name.as_str().starts_with(head),
                None => name.as_str() == part,
            };
            let more = Name::ALL.iter().filter(|name| fits(name)).fold(Self::none(), |more, name| more.with(*name));
            (more != Self::none()).then_some(Self(names.0 | more.0))
        })
    }

    /// Whether `name` is one of them.
    pub fn contain(self, name: Name) -> bool {
        self.0 & bit(name) != 0
    }

    /// Whether the end of a task is one of them.
    pub fn contain_ends(self) -> bool {
        [Name::TaskCompleted, Name::TaskFailed, Name::TaskCancelled].into_iter().any(|name| self.contain(name))
    }

    fn with(self, name: Name) -> Self {
        Self(self.0 | bit(name))
    }
}

fn bit(name: Name) -> u16 {
    1 << name as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_and_beginnings_is_read() {
        for (text, count) in [
            ("task.created", 1),
            ("task.*", 4),
            ("subtask.*", 9),
            ("*", 13),
            ("task.*, subtask.completed", 5),
            ("task.created,task.*", 4),
        ] {
            let names = Names::read(text).unwrap();
            assert_eq!(Name::ALL.iter().filter(|name| names.contain(**name)).count(), count, "{text}");
        }
        assert_eq!(Names::read("*"), Some(Names::all()));
        assert!(Names::all().contain_ends() && !Names::read("subtask.*").unwrap().contain_ends());
    }

    #[test]
    fn a_part_that_fits_no_name_is_refused() {
        for text in ["", "task.*,", "task", "tas*", "task.creat*", "subtask.done", "TASK.*", "**", ".*"] {
            assert_eq!(Names::read(text), None, "{text}");
        }
    }
}
