//! One leased entry: where it is pending, how far it has come, and how old its lease is.

use proto_schemas::{TaskId, WorkEntry};
use redis_store::Stream;
use redis_store::hand_back::Unfinished;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Where an entry is pending; ids are unique only within a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LeaseKey {
    pub(crate) stream: Stream,
    pub(crate) entry_id: String,
}

/// How far an entry has come.
pub(crate) enum Stage {
    /// For a slot, for solitude, or to be handed back.
    Waiting,
    /// A handler has it.
    Running(Running),
    /// Its outcome waits for the answer of Redis.
    Settling,
    /// It was stopped or could not be parked; to be handed back as soon as Redis answers.
    Fenced,
    /// Redis takes its outcome for nonsense. Nobody renews it, so a reaper will have it; until then it is not run
    /// again.
    Abandoned,
}

pub(crate) struct Running {
    pub(crate) entry: Arc<WorkEntry>,
    pub(crate) since: Instant,
    /// Whether the log knows that it runs.
    pub(crate) told: bool,
    /// Stops the handler.
    pub(crate) cancelled: CancellationToken,
}

impl Stage {
    /// Whether its execution goes on.
    pub(crate) fn is_executing(&self) -> bool {
        matches!(self, Self::Waiting | Self::Running(_))
    }
}

/// An entry that this worker has.
pub(crate) struct Lease {
    pub(crate) task_id: Option<TaskId>,
    pub(crate) stage: Stage,
    pub(crate) renewed_at: Instant,
    pub(crate) lost: CancellationToken,
}

impl Lease {
    pub(crate) fn unfinished(&self, key: &LeaseKey) -> Unfinished {
        Unfinished { entry_id: key.entry_id.clone(), task_id: self.task_id.clone() }
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        match &self.stage {
            Stage::Running(running) => Some(running),
            _ => None,
        }
    }
}
