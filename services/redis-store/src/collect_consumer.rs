//! Removing the consumers of dead workers and projectors.

use crate::client::Store;
use crate::error::StoreError;
use crate::{heartbeat, key, script, value};
use proto_schemas::{ConsumerName, QueueName};

/// The answer to a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collected {
    /// The consumer is gone from every stream.
    Removed,
    /// It beats, or holds entries: left alone.
    Busy,
}

impl Store {
    /// Removes `consumer` from the groups of `queues` if it has no heartbeat and nothing is pending under it.
    pub async fn collect_consumer(
        &self,
        consumer: &ConsumerName,
        queues: &[QueueName],
    ) -> Result<Collected, StoreError> {
        self.collect(consumer, key::WORKERS_GROUP, heartbeat::stream_keys(queues)).await
    }

    /// Removes `consumer` from the projectors of `events` if nothing is pending under it. A projector has no heartbeat:
    /// one that still lives comes back with its next read.
    pub async fn collect_projector(&self, consumer: &ConsumerName) -> Result<Collected, StoreError> {
        self.collect(consumer, key::PROJECTOR_GROUP, vec![key::EVENTS.to_owned()]).await
    }

    async fn collect(
        &self,
        consumer: &ConsumerName,
        group: &str,
        streams: Vec<String>,
    ) -> Result<Collected, StoreError> {
        let mut keys = vec![key::worker(consumer.as_str()), key::WORKERS.to_owned()];
        keys.extend(streams);
        let args = value::args([group, consumer.as_str()]);
        let answer = self.eval(&script::COLLECT_CONSUMER, keys, args).await?;
        match value::text(answer, "collect_consumer")?.as_str() {
            "removed" => Ok(Collected::Removed),
            "busy" => Ok(Collected::Busy),
            _ => Err(StoreError::Reply("collect_consumer")),
        }
    }
}
