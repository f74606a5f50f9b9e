//! What `up` starts.

use super::parse;
use clap::Args;
use std::path::PathBuf;

/// The Redis program for whoever starts one.
#[derive(Debug, Clone, Args)]
pub struct ServerSettings {
    /// The Redis server program to start. Without it, redis-server or valkey-server on the PATH.
    #[arg(long, env = "REDIS_SERVER_BIN", value_name = "PATH")]
    pub redis_server_bin: Option<PathBuf>,
}

/// What there is of each role.
#[derive(Debug, Clone, Args)]
pub struct FleetSettings {
    /// How many workers `up` starts.
    #[arg(
        long, env = "WORKERS",
        value_name = "PROCESSES", default_value = "2", value_parser = parse::whole::<usize>(0, 256)
    )]
    pub workers: usize,
    /// How much memory a Redis that `up` starts may use. Submissions are refused above four fifths of it.
    #[arg(
        long, env = "REDIS_MAXMEMORY_MB",
        value_name = "MEGABYTES", default_value = "1024", value_parser = parse::whole::<u32>(16, 1 << 24)
    )]
    pub redis_maxmemory_mb: u32,
}
