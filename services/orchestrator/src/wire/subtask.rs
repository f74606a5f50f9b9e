//! A subtask as its task's document shows it.

use super::time::Timestamp;
use super::word::{Priority, SubtaskStatus};
use poem_openapi::Object;
use proto_schemas::{Progress, Record, SubtaskDefinition, Task};
use serde::Serialize;
use std::collections::HashMap;

/// A subtask.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct SubtaskDocument {
    /// `<task_id>-<index>`, the same for every attempt.
    pub subtask_id: String,
    /// Its place in the plan, from 0.
    pub index: u32,
    /// The client's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which handler runs it.
    pub kind: String,
    /// What is to be done.
    pub description: String,
    /// Where it stands.
    pub status: SubtaskStatus,
    /// How urgent it is.
    pub priority: Priority,
    /// The attempt it stands at, from 1; absent while nothing is known of any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How many workers died with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crashes: Option<u32>,
    /// Since when it runs; absent for short work and once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The worker that last told something of it; absent once it has ended (its result names who ran it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// One word why it failed or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl SubtaskDocument {
    /// The document of the subtask at `index`; `outcomes` as they are stored.
    pub fn of(task: &Task, index: u32, definition: &SubtaskDefinition, outcomes: &HashMap<String, String>) -> Self {
        let record = outcomes.get(&index.to_string()).and_then(|text| Record::decode(text).ok());
        let progress = match record {
            Some(_) => None,
            None => outcomes.get(&format!("~{index}")).and_then(|text| Progress::decode(text).ok()),
        };
        let status = match (&record, &progress) {
            (Some(record), _) => record.outcome.into(),
            (None, Some(progress)) => progress.status(),
            (None, None) => proto_schemas::SubtaskStatus::Queued,
        };
        let started = progress.as_ref().filter(|_| status == proto_schemas::SubtaskStatus::Running);
        Self {
            subtask_id: format!("{}-{index}", task.task_id),
            index,
            name: definition.name.clone(),
            kind: definition.kind.to_string(),
            description: definition.description.clone(),
            status: status.into(),
            priority: definition.priority.into(),
            attempt: record.as_ref().map(|it| it.attempt).or(progress.as_ref().map(|it| it.attempt)),
            crashes: record.as_ref().map(|it| it.crashes).or(progress.as_ref().map(|it| it.crashes)),
            started_at: started.map(|it| Timestamp::from_ms(it.at_ms)),
            finished_at: record.as_ref().map(|it| Timestamp::from_ms(it.at_ms)),
            worker: progress.map(|it| it.worker),
            reason: record.and_then(|it| it.reason),
        }
    }
}
