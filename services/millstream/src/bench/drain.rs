//! Everything is queued, then one worker and one projector empty the queue.

use super::counters::Counters;
use super::load::Load;
use super::stage::Stage;
use crate::resp::{Connection, Reply};
use anyhow::Context;
use proto_schemas::{TaskId, TaskStatus};
use redis_store::{Store, key};
use serde::Serialize;
use std::time::{Duration, Instant};

const POLL_EVERY: Duration = Duration::from_millis(20);
/// Nothing completed for this long is a stall, not a slow run.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// What the phases cost; everything but the seconds and the rate is for one subtask.
#[derive(Debug, Clone, Serialize)]
pub struct Drain {
    /// From the first submission to the last answer.
    pub submit: Phase,
    /// From the start of worker and projector to the last task that is complete in its hash.
    pub drain: Phase,
    /// Both.
    pub life: Phase,
    /// Bytes in Redis when everything is queued.
    pub bytes_queued: f64,
    /// Bytes in Redis when everything is done.
    pub bytes_done: f64,
}

/// One phase.
#[derive(Debug, Clone, Serialize)]
pub struct Phase {
    /// How long it took.
    pub seconds: f64,
    /// How many subtasks went through it each second.
    pub subtasks_per_second: f64,
    /// Redis CPU.
    pub redis_cpu_us: f64,
    /// Worker CPU.
    pub worker_cpu_us: f64,
    /// Projector CPU.
    pub projector_cpu_us: f64,
    /// Commands that Redis ran, those inside scripts included.
    pub redis_commands: f64,
}

impl Phase {
    fn between(before: &Counters, after: &Counters, seconds: f64, subtasks: u32) -> Self {
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / f64::from(subtasks);
        Self {
            seconds,
            subtasks_per_second: f64::from(subtasks) / seconds,
            redis_cpu_us: each(before.redis_cpu_us, after.redis_cpu_us),
            worker_cpu_us: each(before.worker_cpu_us, after.worker_cpu_us),
            projector_cpu_us: each(before.projector_cpu_us, after.projector_cpu_us),
            redis_commands: each(before.redis_commands, after.redis_commands),
        }
    }
}

/// Submits `load`, drains it, and checks what is left.
pub async fn measure(stage: &mut Stage, load: &Load) -> anyhow::Result<Drain> {
    let mut connection = stage.connection()?;
    let empty = Counters::read(stage, &mut connection)?;
    let ids = load.submit(stage.store()).await?;
    let queued = Counters::read(stage, &mut connection)?;

    stage.start_role("projector")?;
    stage.start_role("worker")?;
    // What they used before this instant is their fork; the rest of their start belongs to the drain.
    let begin = Counters::read(stage, &mut connection)?;
    await_completed(stage, &mut connection, ids.len() as u64).await?;
    let done = Counters::read(stage, &mut connection)?;

    check_complete(stage.store(), &ids).await?;
    check_audit(stage.store()).await?;
    let (submitting, draining) = (seconds(&empty, &queued), seconds(&begin, &done));
    let bytes =
        |after: &Counters| after.redis_bytes.saturating_sub(empty.redis_bytes) as f64 / f64::from(load.subtasks);
    let phase = |before, after, seconds| Phase::between(before, after, seconds, load.subtasks);
    Ok(Drain {
        submit: phase(&empty, &queued, submitting),
        drain: phase(&Counters { worker_cpu_us: 0, projector_cpu_us: 0, ..queued }, &done, draining),
        life: phase(&Counters { worker_cpu_us: 0, projector_cpu_us: 0, ..empty }, &done, submitting + draining),
        bytes_queued: bytes(&queued),
        bytes_done: bytes(&done),
    })
}

fn seconds(before: &Counters, after: &Counters) -> f64 {
    after.at.duration_since(before.at).as_secs_f64()
}

/// Waits until `tasks` tasks are completed by what Redis lists.
async fn await_completed(stage: &mut Stage, connection: &mut Connection, tasks: u64) -> anyhow::Result<()> {
    let index = key::tasks_with(TaskStatus::Completed);
    let (mut known, mut since) = (0, Instant::now());
    loop {
        let Reply::Integer(count) = connection.command(&["ZCARD", &index])? else { anyhow::bail!("no ZCARD") };
        let count = count.unsigned_abs();
        if count >= tasks {
            return Ok(());
        }
        if count > known {
            (known, since) = (count, Instant::now());
        }
        anyhow::ensure!(since.elapsed() < STALLED_AFTER, "stalled at {known} of {tasks} completed tasks");
        stage.check()?;
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// Every task hash says that all its subtasks completed.
pub async fn check_complete(store: &Store, ids: &[TaskId]) -> anyhow::Result<()> {
    for id in ids {
        let task = store.task(id).await?.with_context(|| format!("task {id} is gone"))?.task;
        let complete = task.status == TaskStatus::Completed && task.completed == task.total;
        anyhow::ensure!(complete, "task {id} is {}: {} of {} completed", task.status, task.completed, task.total);
    }
    Ok(())
}

/// Every law of the books holds.
pub async fn check_audit(store: &Store) -> anyhow::Result<()> {
    let report = ::projector::audit(store, ::projector::audit::PAUSE).await?;
    anyhow::ensure!(report.is_clean(), "the audit is not clean: {report}");
    Ok(())
}
