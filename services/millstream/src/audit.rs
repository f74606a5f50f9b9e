//! `millstream audit`: checks the books, and mends them if asked.

use crate::exit::Exit;
use crate::note::CommandNote;
use crate::settings::{LifeSettings, RedisSettings};
use crate::{operate, print};
use clap::Args;
use projector::repair::report::RepairReport;
use redis_store::note::words;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Display;

/// Check that the books in Redis keep every law; exit code 1 if they do not
#[derive(Debug, Args)]
pub struct Audit {
    /// Mend what two looks have confirmed and say what was done; exit code 1 if something is left
    #[arg(long)]
    repair: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    redis: RedisSettings,
    #[command(flatten)]
    life: LifeSettings,
}

impl Audit {
    /// Reads everything, twice if it suspects something; with `--repair` once more after each round of repairs.
    pub fn run(self) -> anyhow::Result<Exit> {
        operate::run(&self.redis, async |store| {
            let is_clean = if self.repair {
                let consumer = ::projector::consumer_name();
                let (pause, note) = (::projector::audit::PAUSE, CommandNote::new("repair_books", "/tasks"));
                note.begun(&store).await;
                let report = ::projector::repair(&store, &consumer, self.life.task_ttl, pause).await?;
                self.print(&report);
                note.done(&store, in_words(&report)).await;
                report.is_clean()
            } else {
                let report = ::projector::audit(&store, ::projector::audit::PAUSE).await?;
                self.print(&report);
                report.is_clean()
            };
            Ok(if is_clean { Exit::Ok } else { Exit::Failed })
        })
    }

    fn print(&self, report: &(impl Display + Serialize)) {
        let json = || serde_json::to_string(report).expect("a report has string keys and cannot fail to serialise");
        print::line(&if self.json { json() } else { report.to_string() });
    }
}

/// How much was mended, and of which tasks, the first of them by name: `repairs=3 tasks=A,B left=0`.
fn in_words(report: &RepairReport) -> String {
    let tasks: BTreeSet<&str> =
        report.repairs.iter().filter_map(|it| it.violation.task_id.as_ref()).map(|id| id.as_str()).collect();
    let (repairs, left) = (report.repairs.len(), report.after.violations.len());
    format!("repairs={repairs} tasks={} left={left}", words(tasks.into_iter()))
}
