//! What is submitted: tasks of simulated subtasks with a payload of a given size, straight into Redis.

use anyhow::Context;
use proto_schemas::{ConsumerName, Priority, SubtaskDefinition, TaskId, limit};
use redis_store::Store;
use redis_store::submit::{Admission, Submission, Submitted};
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;
use tokio::task::JoinSet;

/// Submissions under way at once, as an API under load has them.
pub const CONCURRENCY: u32 = 16;
const KIND: &str = "simulate";

/// How much, in which portions.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Load {
    /// Subtasks in all.
    pub subtasks: u32,
    /// Subtasks of each task but perhaps the last.
    pub per_task: u32,
    /// Bytes of each subtask's payload.
    pub payload_bytes: u32,
}

impl Load {
    /// How many subtasks each task has.
    pub fn tasks(&self) -> impl Iterator<Item = u32> + use<> {
        let Self { subtasks, per_task, .. } = *self;
        (0..subtasks.div_ceil(per_task)).map(move |at| per_task.min(subtasks - at * per_task))
    }

    /// Submits everything, [`CONCURRENCY`] tasks at once; answers the ids.
    pub async fn submit(&self, store: &Store) -> anyhow::Result<Vec<TaskId>> {
        let sizes: Vec<u32> = self.tasks().collect();
        let mut lanes = JoinSet::new();
        for lane in 0..CONCURRENCY {
            let sizes: Vec<u32> = sizes.iter().skip(lane as usize).step_by(CONCURRENCY as usize).copied().collect();
            let (store, payload_bytes) = (store.clone(), self.payload_bytes);
            lanes.spawn(async move {
                let mut ids = Vec::with_capacity(sizes.len());
                for size in sizes {
                    let task = task(size, payload_bytes)?;
                    ids.push(task.task_id.clone());
                    submit_one(&store, &task).await?;
                }
                anyhow::Ok(ids)
            });
        }
        let mut ids = Vec::with_capacity(sizes.len());
        while let Some(lane) = lanes.join_next().await {
            ids.extend(lane.context("a lane of submissions")??);
        }
        Ok(ids)
    }
}

/// A task of `size` alike subtasks.
pub fn task(size: u32, payload_bytes: u32) -> anyhow::Result<Submission> {
    let plain = SubtaskDefinition::new(KIND.parse()?, "no-op", Priority::Medium);
    let subtask = SubtaskDefinition { params: payload(payload_bytes)?, ..plain };
    let by = ConsumerName::new("bench")?;
    Ok(Submission::new(TaskId::generate(), by, "bench".to_owned(), vec![subtask; size as usize]))
}

/// Submits one task as the API would.
pub async fn submit_one(store: &Store, task: &Submission) -> anyhow::Result<()> {
    let deadline = Duration::from_millis(limit::TASK_DEADLINE_MS);
    match store.submit(task, Admission { backlog_max: u64::MAX >> 11, deadline }).await? {
        // Existing: the answer was lost on the way and the same task was sent again.
        Submitted::Created | Submitted::Existing(_) => Ok(()),
        Submitted::Conflict | Submitted::Overloaded => anyhow::bail!("a task of the bench was refused for the backlog"),
    }
}

/// JSON of exactly `bytes` bytes.
fn payload(bytes: u32) -> anyhow::Result<Box<RawValue>> {
    let frame = r#"{"p":""}"#;
    let filling = "x".repeat((bytes as usize).saturating_sub(frame.len()));
    Ok(RawValue::from_string(format!(r#"{{"p":"{filling}"}}"#))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_task_takes_the_rest() {
        let sizes = |subtasks, per_task| Load { subtasks, per_task, payload_bytes: 10 }.tasks().collect::<Vec<_>>();
        assert_eq!(sizes(50, 20), [20, 20, 10]);
        assert_eq!(sizes(40, 20), [20, 20]);
        assert_eq!(sizes(1, 20), [1]);
    }

    #[test]
    fn a_payload_has_the_size_that_was_asked_for() {
        for bytes in [10, 200, 65_536] {
            assert_eq!(payload(bytes).unwrap().get().len(), bytes as usize);
        }
    }
}
