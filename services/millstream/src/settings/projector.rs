//! How long the projector keeps what has ended.

use super::parse;
use clap::Args;
use std::time::Duration;

/// How long a task outlives its end.
#[derive(Debug, Clone, Args)]
pub struct LifeSettings {
    /// How long a task is kept after its end.
    #[arg(
        long = "task-ttl-seconds", env = "TASK_TTL_SECONDS",
        value_name = "SECONDS", default_value = "604800", value_parser = parse::seconds(1, 31_536_000)
    )]
    pub task_ttl: Duration,
}

/// How long the log is kept.
#[derive(Debug, Clone, Args)]
pub struct ProjectorSettings {
    /// How long events are kept after every reader has acknowledged them.
    #[arg(
        long = "events-retention-seconds", env = "EVENTS_RETENTION_SECONDS",
        value_name = "SECONDS", default_value = "3600", value_parser = parse::seconds(0, 31_536_000)
    )]
    pub events_retention: Duration,
}
