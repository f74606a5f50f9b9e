//! Removing the consumers of dead workers.

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
        let mut keys = vec![key::worker(consumer.as_str()), key::WORKERS.to_owned()];
        keys.extend(heartbeat::stream_keys(queues));
        let args = value::args([key::WORKERS_GROUP, consumer.as_str()]);
        let answer = self.eval(&script::COLLECT_CONSUMER, keys, args).await?;
        match value::text(answer, "collect_consumer")?.as_str() {
            "removed" => Ok(Collected::Removed),
            "busy" => Ok(Collected::Busy),
            _ => Err(StoreError::Reply("collect_consumer")),
        }
    }
}
