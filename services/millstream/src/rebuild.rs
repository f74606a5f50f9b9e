//! `millstream rebuild`: counts again from records and log.

use crate::exit::Exit;
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
            let is_one = self.task_id.is_some();
            let consumer = ::projector::consumer_name();
            let report = ::projector::rebuild(&store, &consumer, self.life.task_ttl, self.task_id).await?;
            print::line(&format!(
                "{} tasks recounted, {} not there; {} generations opened again, {} entries of the log read, {} facts added",
                report.tasks, report.gone, report.reopened, report.entries, report.counts.counted
            ));
            Ok(if is_one && report.tasks == 0 { Exit::NotFound } else { Exit::Ok })
        })
    }
}
