//! What every role has in common beside its log.

use super::parse;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a role ends.
#[derive(Debug, Clone, Args)]
pub struct StopSettings {
    /// After SIGTERM or Ctrl-C, how long work under way may go on before it is handed back.
    #[arg(
        long = "shutdown-grace-seconds", env = "SHUTDOWN_GRACE_SECONDS",
        value_name = "SECONDS", default_value = "25", value_parser = parse::seconds(0, 3_600)
    )]
    pub shutdown_grace: Duration,
}

/// Where a role shows its health.
#[derive(Debug, Clone, Args)]
pub struct HealthSettings {
    /// Where worker and projector keep the file that `healthcheck` reads; each process of a role needs a place of its
    /// own.
    #[arg(long, env = "HEALTH_DIR", value_name = "PATH", default_value = "/tmp")]
    health_dir: PathBuf,
}

impl HealthSettings {
    /// The file of one role.
    pub fn file(&self, role: &str) -> PathBuf {
        file_in(&self.health_dir, role)
    }
}

/// The file of one role in `folder`.
pub fn file_in(folder: &Path, role: &str) -> PathBuf {
    folder.join(format!("millstream-{role}.health"))
}
