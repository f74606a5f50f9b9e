//! What the messages of a feed carry: one line of JSON each.

use super::time::Timestamp;
use proto_schemas::{Fact, TaskId};
use redis_store::tail::TaskState;
use serde::Serialize;

/// The data of a message about a fact.
#[derive(Debug, Serialize)]
pub struct FactMessage<'a> {
    event: &'static str,
    task_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtask_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    /// First and last, of neighbours that were cancelled at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    indexes: Option<[u32; 2]>,
    generation: u32,
    attempt: u32,
    crashes: u32,
    worker: &'a str,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The data of a message about the end of a task.
#[derive(Debug, Serialize)]
pub struct EndMessage<'a> {
    event: &'static str,
    task_id: &'a str,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

/// The data of the message after which the feed of all tasks goes on without what the log has lost.
#[derive(Debug, Serialize)]
pub struct ResetMessage {
    /// The oldest entry that the log still holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
}

impl<'a> FactMessage<'a> {
    /// A fact under the name of its message.
    pub fn of(event: &'static str, fact: &'a Fact) -> Self {
        let index = fact.index.filter(|_| fact.last.is_none());
        Self {
            event,
            task_id: fact.task_id.as_str(),
            subtask_id: index.and_then(|index| fact.task_id.subtask(index).ok()).map(|id| id.to_string()),
            index,
            indexes: fact.index.zip(fact.last).map(|(first, last)| [first, last]),
            generation: fact.generation,
            attempt: fact.attempt,
            crashes: fact.crashes,
            worker: fact.worker.as_str(),
            at: Timestamp::from_ms(fact.at_ms),
            reason: fact.reason.as_ref().map(|reason| reason.as_str()),
        }
    }
}

impl<'a> EndMessage<'a> {
    /// A task that has ended, under the name of its message.
    pub fn of(event: &'static str, task_id: &'a TaskId, state: &TaskState) -> Self {
        let at = state.finished_at_ms.map(Timestamp::from_ms);
        Self { event, task_id: task_id.as_str(), revision: state.revision, at }
    }
}
