//! What a worker runs, and how much of it.

use super::parse;
use clap::Args;
use proto_schemas::Kind;
use std::time::Duration;

/// A worker's settings.
#[derive(Debug, Clone, Args)]
pub struct WorkerSettings {
    /// The name of a worker in results and logs; under `up` the workers are worker-1, worker-2 and so on. Without it,
    /// the name of the host.
    #[arg(long, env = "WORKER_ID", value_name = "NAME", value_parser = parse::worker_id)]
    pub worker_id: Option<String>,

    /// How many subtasks a worker runs at once.
    #[arg(
        long, env = "WORKER_SLOTS",
        value_name = "SUBTASKS", default_value = "64", value_parser = parse::whole::<usize>(1, 4_096)
    )]
    pub worker_slots: usize,

    /// The kinds that a worker serves, separated by commas. Without it, all it knows.
    #[arg(long, env = "WORKER_KINDS", value_name = "KINDS", value_delimiter = ',', value_parser = parse::kind)]
    pub worker_kinds: Vec<Kind>,

    /// How long a subtask waits after its worker died; the same for every worker of one Redis.
    #[arg(
        long = "lease-ms", env = "LEASE_MS",
        value_name = "MS", default_value = "10000", value_parser = parse::millis(100, 3_600_000)
    )]
    pub lease: Duration,

    /// The factor of the time that simulated work takes; 0 is none.
    #[arg(long, env = "SIMULATE_SECONDS", value_name = "FACTOR", default_value = "1.0", value_parser = parse::factor)]
    pub simulate_seconds: f64,

    /// How long the result of a subtask is kept.
    #[arg(
        long = "result-ttl-seconds", env = "RESULT_TTL_SECONDS",
        value_name = "SECONDS", default_value = "86400", value_parser = parse::seconds(1, 31_536_000)
    )]
    pub result_ttl: Duration,
}
