//! A subtask as its task's document shows it.

use super::dependency::Dependency;
use super::time::Timestamp;
use super::word::{Priority, SubtaskStatus};
use poem_openapi::Object;
use proto_schemas::{Progress, Record, SubtaskDefinition, SubtaskStatus as Status, Task};
use redis_store::read::TaskView;
use serde::Serialize;
use std::collections::HashMap;
use task_core::replay::{Standing, standing};

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
    /// Its kind: which handler runs it.
    pub kind: String,
    /// What is to be done.
    pub description: String,
    /// Its status.
    pub status: SubtaskStatus,
    /// How urgent it is.
    pub priority: Priority,
    /// The attempt it stands at, from 1; absent while nothing is known of any, and if it ended without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How often it was run again from its first attempt on; absent while it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// What has to end before it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<Vec<Dependency>>,
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
    /// One word why it failed or was cancelled. Of one that is delayed: `retrying` after a failure, `parked` where no
    /// worker that met it serves its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Every subtask of a task as of `now_ms`, by index.
pub fn documents(view: &TaskView, now_ms: u64) -> Vec<SubtaskDocument> {
    let TaskView { task, outcomes } = view;
    let standings: Vec<Standing> = (0..).zip(&task.subtasks).map(|(index, _)| standing(outcomes, index)).collect();
    // A child of the first generation was released by the first end of its parent, whatever that does since.
    let awaits = |child: &Standing, parent: u32| match standings.get(parent as usize) {
        Some(parent) => parent.record.is_none() && !(child.generation == 0 && parent.generation > 0),
        None => false,
    };
    // Only the first generation waits for the task's time: what runs again starts at once.
    let is_early = task.run_at_ms.is_some_and(|run_at_ms| run_at_ms > now_ms);
    let document = |(index, definition): (u32, &SubtaskDefinition)| {
        let standing = &standings[index as usize];
        let progress = progress(outcomes, index, standing);
        let status = match (&standing.record, &progress) {
            (Some(record), _) => record.outcome.into(),
            (None, Some(progress)) => progress.status(),
            (None, None) if definition.depends_on.iter().any(|it| awaits(standing, it.index)) => Status::Blocked,
            (None, None) if is_early && standing.generation == 0 => Status::Delayed,
            (None, None) => Status::Queued,
        };
        SubtaskDocument { status: status.into(), ..known(task, index, definition, (standing, progress)) }
    };
    (0..).zip(&task.subtasks).map(document).collect()
}

/// What is told of its current generation, as long as that has not ended.
fn progress(outcomes: &HashMap<String, String>, index: u32, standing: &Standing) -> Option<Progress> {
    let told = outcomes.get(&format!("~{index}")).and_then(|text| Progress::decode(text).ok())?;
    (standing.record.is_none() && told.generation == standing.generation).then_some(told)
}

/// Everything but the status.
fn known(
    task: &Task,
    index: u32,
    definition: &SubtaskDefinition,
    (standing, progress): (&Standing, Option<Progress>),
) -> SubtaskDocument {
    let record = standing.record.as_ref();
    let started = progress.as_ref().filter(|progress| progress.status() == Status::Running);
    let delayed = progress.as_ref().filter(|progress| progress.status() == Status::Delayed);
    let told = |of_record: fn(&Record) -> u32, of_progress: fn(&Progress) -> u32| {
        record.map(of_record).or(progress.as_ref().map(of_progress))
    };
    SubtaskDocument {
        subtask_id: format!("{}-{index}", task.task_id),
        index,
        name: definition.name.clone(),
        kind: definition.kind.to_string(),
        description: definition.description.clone(),
        status: Status::Queued.into(),
        priority: definition.priority.into(),
        attempt: told(|it| it.attempt, |it| it.attempt).filter(|attempt| *attempt > 0),
        generation: Some(standing.generation).filter(|generation| *generation > 0),
        depends_on: Some(definition.depends_on.iter().map(Dependency::from).collect::<Vec<_>>())
            .filter(|parents| !parents.is_empty()),
        crashes: told(|it| it.crashes, |it| it.crashes),
        started_at: started.map(|it| Timestamp::from_ms(it.at_ms)),
        finished_at: record.map(|it| Timestamp::from_ms(it.at_ms)),
        reason: record.map_or(delayed.map(|it| it.fact.clone()), |it| it.reason.clone()),
        worker: progress.map(|it| it.worker),
    }
}
