//! What a scrape asks for: how much there is of everything that is counted in Redis, in three pipelined steps however
//! much there is. Nothing is walked: indexes and streams are asked for their sizes, workers and queues by the lists of
//! them, up to a bound. It is no snapshot: two of these numbers may be a moment apart. What a key of another type, or a
//! right that is missing, keeps from being read is `None`, and the rest is there.

mod streams;
mod workers;

pub use streams::{GroupGauges, StreamGauges};
pub use workers::WorkerGauges;

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, value};
use fred::types::Value;
use futures::future::try_join_all;
use proto_schemas::{QueueName, TaskStatus};
use std::time::Duration;

/// Queues whose streams are looked at: the first by name.
const QUEUES_MAX: usize = 64;

/// How much there was.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Tasks of each status.
    pub tasks: Vec<(TaskStatus, Option<u64>)>,
    /// The work streams, those of one queue together, and the log.
    pub streams: Vec<StreamGauges>,
    /// What waits for its time.
    pub delayed: Option<u64>,
    /// Dead letters that are there.
    pub dead_letters: Option<u64>,
    /// Dead letters that their bound has trimmed away.
    pub dead_letters_trimmed: u64,
    /// What the log takes.
    pub events_bytes: Option<u64>,
    /// About how many facts are not folded.
    pub unfolded_facts: Option<u64>,
    /// Age of the oldest entry of the log that is not folded, all of them if there is no group yet; zero if all are.
    pub projector_lag: Option<Duration>,
    /// Those who work.
    pub workers: WorkerGauges,
    /// Bytes in use.
    pub used_memory: Option<u64>,
    /// The bytes that Redis may use, if there is a bound.
    pub maxmemory: Option<u64>,
}

impl Store {
    /// Asks for all of it. An error means that Redis is not there.
    pub async fn gauges(&self) -> Result<Gauges, StoreError> {
        Box::pin(self.read_gauges()).await // a few dozen commands at once are too much for a stack
    }

    async fn read_gauges(&self) -> Result<Gauges, StoreError> {
        let size = |command, key: &str| self.number(command, value::args([key]));
        let (now_ms, queues, memory, trimmed) = tokio::try_join!(
            self.now_ms(),
            self.queues_at_most(),
            self.ask("INFO", value::args(["memory"])),
            self.ask("HGET", value::args([key::META, "dead_letters_trimmed"])),
        )?;
        let (tasks, delayed, dead_letters, events_bytes, unfolded, workers, streams) = tokio::try_join!(
            try_join_all(TaskStatus::ALL.iter().map(|status| self.tasks_of(*status))),
            size("ZCARD", key::DELAYED),
            size("XLEN", key::DEAD_LETTERS),
            self.number("MEMORY", value::args(["USAGE", key::EVENTS, "SAMPLES", "5"])),
            async { answered(self.unfolded_facts().await) },
            self.worker_gauges(now_ms),
            self.stream_gauges(&queues, now_ms),
        )?;
        let memory = memory.and_then(Value::into_string).unwrap_or_default();
        let of_memory = |name: &str| {
            let line = memory.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|number| number.trim().parse::<u64>().ok())
        };
        Ok(Gauges {
            tasks,
            projector_lag: StreamGauges::projector_lag(&streams),
            streams,
            delayed,
            dead_letters,
            dead_letters_trimmed: trimmed.and_then(|text| text.as_u64()).unwrap_or(0),
            events_bytes,
            unfolded_facts: unfolded,
            workers,
            used_memory: of_memory("used_memory"),
            maxmemory: of_memory("maxmemory").filter(|bytes| *bytes > 0),
        })
    }

    async fn tasks_of(&self, status: TaskStatus) -> Result<(TaskStatus, Option<u64>), StoreError> {
        Ok((status, self.number("ZCARD", value::args([&key::tasks_with(status)])).await?))
    }

    async fn queues_at_most(&self) -> Result<Vec<QueueName>, StoreError> {
        let mut queues = answered(self.queues().await)?.unwrap_or_default();
        queues.push(QueueName::default_queue());
        queues.sort();
        queues.dedup();
        queues.truncate(QUEUES_MAX);
        Ok(queues)
    }

    /// What a command answers; `None` if it cannot answer for as long as things are as they are.
    async fn ask(&self, command: &'static str, args: Vec<Value>) -> Result<Option<Value>, StoreError> {
        answered(self.command(command, args).await)
    }

    async fn number(&self, command: &'static str, args: Vec<Value>) -> Result<Option<u64>, StoreError> {
        Ok(self.ask(command, args).await?.and_then(|answer| answer.as_u64()))
    }
}

/// Only that Redis is not there keeps the rest from being read.
fn answered<T>(answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match answer {
        Err(error) if error.is_transient() => Err(error),
        other => Ok(other.ok()),
    }
}
