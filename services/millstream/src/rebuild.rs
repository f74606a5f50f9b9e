//! `millstream rebuild`: counts again from records and log.

use crate::exit::Exit;
use crate::note::CommandNote;
use crate::settings::{LifeSettings, RedisSettings};
use crate::{operate, print};
use clap::Args;
use proto_schemas::TaskId;

/// Count tasks again from their records and the retained events; safe beside a running system
#[derive(Debug, Args)]
pub struct Rebuild {
    /// The task; without it, all of them
    task_id: Option<TaskId>,
    #[command(flatten)]
    redis: RedisSettings,
    #[command(flatten)]
    life: LifeSettings,
}

impl Rebuild {
    /// Rebuilds, and says what it did.
    pub fn run(self) -> anyhow::Result<Exit> {
        operate::run(&self.redis, async |store| {
            let (is_one, consumer) = (self.task_id.is_some(), ::projector::consumer_name());
            let note = match &self.task_id {
                Some(task_id) => CommandNote::new("rebuild_task", format!("/tasks/{task_id}")),
                None => CommandNote::new("rebuild_tasks", "/tasks"),
            };
            note.begun(&store).await;
            let report = ::projector::rebuild(&store, &consumer, self.life.task_ttl, self.task_id).await?;
            print::line(&format!(
                "{} tasks recounted, {} not there; {} generations opened again, {} entries of the log read, {} facts added",
                report.tasks, report.gone, report.reopened, report.entries, report.counts.counted
            ));
            if is_one && report.tasks == 0 {
                note.not_found(&store, "task_not_found").await;
                return Ok(Exit::NotFound);
            }
            let (tasks, reopened, added) = (report.tasks, report.reopened, report.counts.counted);
            note.done(&store, format!("tasks={tasks} gone={} reopened={reopened} facts={added}", report.gone)).await;
            Ok(Exit::Ok)
        })
    }
}
