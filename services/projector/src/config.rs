//! What a projector is told at its start.

use crate::metrics::ProjectorMetrics;
use proto_schemas::{ConsumerName, limit};
use std::sync::Arc;
use std::time::Duration;

/// Settings of one projector process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name in the group; no other process may ever have it.
    pub consumer: ConsumerName,
    /// How long a task outlives its end; the same in the whole installation.
    pub task_ttl: Duration,
    /// How long the log keeps what every group has acknowledged.
    pub events_retention: Duration,
    /// Bytes of the log above which it keeps less than that.
    pub events_bytes_max: u64,
    /// How long another projector's entries stay unacknowledged before this one takes them over.
    pub claim_idle: Duration,
    /// How often the log is trimmed.
    pub trim_every: Duration,
    /// How often what is open is audited.
    pub sweep_every: Duration,
    /// Unless more subtasks than this are open.
    pub sweep_subtasks_max: u64,
    /// What it counts; by default nobody looks at it. Projectors that are given the same add up.
    pub metrics: Arc<ProjectorMetrics>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            consumer: consumer_name(),
            task_ttl: Duration::from_secs(limit::TASK_TTL_SECONDS),
            events_retention: Duration::from_secs(3_600),
            events_bytes_max: 256 << 20,
            claim_idle: Duration::from_secs(5),
            trim_every: Duration::from_secs(10),
            sweep_every: Duration::from_secs(60),
            sweep_subtasks_max: 200_000,
            metrics: Arc::default(),
        }
    }
}

/// A name no other process ever has: the process and eight random hex digits.
pub fn consumer_name() -> ConsumerName {
    let name = format!("projector-{}-{:08x}", std::process::id(), fastrand::u32(..));
    ConsumerName::new(name).expect("29 characters of the alphabet at most")
}
