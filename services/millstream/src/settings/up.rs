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

/// How many there are of each role.
#[derive(Debug, Clone, Args)]
pub struct FleetSettings {
    /// How many workers `up` starts.
    #[arg(
        long, env = "WORKERS",
        value_name = "PROCESSES", default_value = "2", value_parser = parse::whole::<usize>(0, 256)
    )]
    pub workers: usize,
}
