//! The client's ledger: what was sent, and what the client was told.

use crate::clock::Moment;
use crate::workload::order::{Edge, Script};
use std::sync::Arc;

/// One order and everything that was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Its number, from which it can be drawn again.
    pub seq: u64,
    /// Its subtasks, each with what it waits for.
    pub edges: Vec<Vec<Edge>>,
    /// What each of them is to do.
    pub scripts: Vec<Script>,
    /// Each try and what came of it.
    pub tries: Vec<Try>,
    /// How long nothing of it was to start, in ms.
    pub delay_ms: u64,
    /// How long after that what had not ended was to be given up, in ms.
    pub deadline_ms: Option<u64>,
    /// Whether the client asked to cancel it, and was told that it is cancelled.
    pub cancel: Cancel,
}

/// A task that had ended and was asked to run again, in whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reopening {
    /// The task.
    pub task_id: Arc<str>,
    /// When it was asked for.
    pub from: Moment,
    /// When the answer came, or it was clear that none would: it may happen until then.
    pub to: Moment,
}

impl Reopening {
    /// Whether it may have happened between two moments.
    pub fn is_between(&self, from: Moment, to: Moment) -> bool {
        self.from <= to && from <= self.to
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// When it was sent.
    pub from: Moment,
    /// When its fate was known.
    pub to: Moment,
    /// Whether the body was another one under the same key.
    pub is_other_body: bool,
    /// What the client was told.
    pub answer: Answer,
}

/// What a client knows after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is acknowledged, as this task.
    Accepted(Arc<str>),
    /// It is refused with this status: nothing may have been stored.
    Refused(u16),
    /// Nothing: a timeout, a reset, an error of the server's.
    Indefinite,
}

/// How far a cancel went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cancel {
    /// Never asked for.
    #[default]
    Never,
    /// Asked for; it may have happened, whatever the answer was: a repeated call finds that the first one did it.
    Asked,
    /// Acknowledged.
    Acknowledged,
}

impl Submission {
    /// The task that some try was told, the first one.
    pub fn task_id(&self) -> Option<&Arc<str>> {
        self.tries.iter().find_map(|one| match &one.answer {
            Answer::Accepted(task_id) if !one.is_other_body => Some(task_id),
            _ => None,
        })
    }

    /// When it was first sent.
    pub fn sent_at(&self) -> Option<Moment> {
        self.tries.iter().filter(|one| !one.is_other_body).map(|one| one.from).min()
    }

    /// When it was first acknowledged.
    pub fn acknowledged_at(&self) -> Option<Moment> {
        let accepted = |one: &&Try| matches!(one.answer, Answer::Accepted(_)) && !one.is_other_body;
        self.tries.iter().filter(accepted).map(|one| one.to).min()
    }

    /// Whether it may have been stored: acknowledged, or nobody knows.
    pub fn may_exist(&self) -> bool {
        self.tries.iter().any(|one| !one.is_other_body && !matches!(one.answer, Answer::Refused(_)))
    }
}

impl Try {
    /// The line as it is appended.
    pub fn encode(&self, seq: u64) -> String {
        let Self { from, to, is_other_body, answer } = self;
        let body = if *is_other_body { "other" } else { "same" };
        match answer {
            Answer::Accepted(task_id) => format!("{from} {to} {seq} {body} accepted {task_id}"),
            Answer::Refused(status) => format!("{from} {to} {seq} {body} refused {status}"),
            Answer::Indefinite => format!("{from} {to} {seq} {body} indefinite"),
        }
    }
}
