//! Workers announcing themselves, and being collected when they no longer do.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::value;
use fred::types::Value;
use proto_schemas::ConsumerName;
use std::time::Duration;

/// A consumer without a heartbeat for this long may be collected.
pub const HEARTBEAT_TTL: Duration = Duration::from_secs(60);

/// What a worker says of itself; every value is text for people.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// The name people gave it.
    pub worker_id: String,
    /// Where it runs.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// What it serves, separated by commas.
    pub kinds: String,
    /// How much it runs at once.
    pub slots: usize,
    /// How much it is running.
    pub running: usize,
    /// Whether it takes no more work: it is about to end.
    pub is_draining: bool,
    /// The time of the beat, ms of the Unix epoch, by the worker's clock.
    pub at_ms: u64,
}

impl Store {
    /// Says that `consumer` is alive. Idempotent. Its place in `workers` comes first, so that whoever dies in between
    /// is collected; without memory, what it said last lives on.
    pub async fn beat(&self, consumer: &ConsumerName, beat: &Heartbeat) -> Result<(), StoreError> {
        let key = key::worker(consumer.as_str());
        let hash = value::args([
            &key,
            "worker_id",
            &beat.worker_id,
            "host",
            &beat.host,
            "pid",
            &beat.pid.to_string(),
            "kinds",
            &beat.kinds,
            "slots",
            &beat.slots.to_string(),
            "running",
            &beat.running.to_string(),
            "draining",
            if beat.is_draining { "1" } else { "0" },
            "heartbeat_at",
            &beat.at_ms.to_string(),
        ]);
        let place = value::args([key::WORKERS, &beat.at_ms.to_string(), consumer.as_str()]);
        let placed = unless_full(self.command("ZADD", place).await)?;
        let said = unless_full(self.command("HSET", hash).await)?;
        self.command("EXPIRE", value::args([&key, &HEARTBEAT_TTL.as_secs().to_string()])).await?;
        placed.and(said)
    }

    /// Takes back the heartbeat of a worker that leaves in good order.
    pub async fn leave(&self, consumer: &ConsumerName) -> Result<(), StoreError> {
        self.command("DEL", value::args([&key::worker(consumer.as_str())])).await.map(drop)
    }

    /// Consumers whose last beat is older than [`HEARTBEAT_TTL`], oldest first, at most 100. What is no name is
    /// removed.
    pub async fn silent_consumers(&self, now_ms: u64) -> Result<Vec<ConsumerName>, StoreError> {
        let before = now_ms.saturating_sub(HEARTBEAT_TTL.as_millis() as u64).to_string();
        let args = value::args([key::WORKERS, "-inf", &before, "LIMIT", "0", "100"]);
        let found = self.command("ZRANGEBYSCORE", args).await?;
        self.members(key::WORKERS, found, |name| ConsumerName::new(name).ok()).await
    }

    /// Sets the lease of this installation if none is set, and returns the one that holds, in ms.
    pub async fn agree_on_lease(&self, lease: Duration) -> Result<u64, StoreError> {
        let ask = || self.command("HGET", value::args([key::META, "lease_ms"]));
        let mut held: Value = ask().await?;
        if held.is_null() {
            // Only then: without memory it would be refused although nothing is to be written.
            let lease_ms = lease.as_millis().to_string();
            self.command("HSETNX", value::args([key::META, "lease_ms", &lease_ms])).await?;
            held = ask().await?;
        }
        value::text(held, "HGET")?.parse().map_err(|_| StoreError::Reply("HGET meta lease_ms"))
    }
}

/// Sets an error for want of memory aside: what takes no memory can still be done.
fn unless_full(answer: Result<Value, StoreError>) -> Result<Result<(), StoreError>, StoreError> {
    match answer {
        Err(error @ StoreError::OutOfMemory(_)) => Ok(Err(error)),
        other => other.map(|_| Ok(())),
    }
}

/// The keys of every stream of `queues`.
pub(crate) fn stream_keys(queues: &[proto_schemas::QueueName]) -> Vec<String> {
    queues.iter().flat_map(Stream::of).map(|stream| stream.key()).collect()
}
