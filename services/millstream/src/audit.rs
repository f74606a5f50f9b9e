//! `millstream audit`: checks the books.

use crate::exit::Exit;
use crate::settings::RedisSettings;
use crate::{operate, print};
use clap::Args;

/// Check that the books in Redis keep every law; exit code 1 if they do not
#[derive(Debug, Args)]
pub struct Audit {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    redis: RedisSettings,
}

impl Audit {
    /// Reads everything, twice if it suspects something.
    pub fn run(self) -> anyhow::Result<Exit> {
        operate::run(&self.redis, async |store| {
            let report = ::projector::audit(&store, ::projector::audit::PAUSE).await?;
            let json =
                || serde_json::to_string(&report).expect("a report has string keys and cannot fail to serialise");
            print::line(&if self.json { json() } else { report.to_string() });
            Ok(if report.is_clean() { Exit::Ok } else { Exit::Failed })
        })
    }
}
