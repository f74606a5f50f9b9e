//! Keeping leases.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::value;
use fred::types::Value;
use proto_schemas::{ConsumerName, limit};
use std::collections::HashSet;

impl Store {
    /// Marks an entry that `consumer` holds as running alone in its worker, so that a crash is its own fault; whether
    /// it is still pending. Safe to send twice; only the owner may call it, right before the run.
    pub async fn mark_alone(
        &self,
        consumer: &ConsumerName,
        stream: &Stream,
        entry_id: &str,
    ) -> Result<bool, StoreError> {
        let mark = limit::ALONE_DELIVERIES.to_string();
        let args = value::args([
            &stream.key(),
            key::WORKERS_GROUP,
            consumer.as_str(),
            "0",
            entry_id,
            "RETRYCOUNT",
            &mark,
            "JUSTID",
        ]);
        Ok(!value::words(self.command("XCLAIM", args).await?, "XCLAIM")?.is_empty())
    }

    /// Resets the idle time of entries that `consumer` holds and returns those that are still pending. An id that is
    /// missing from the answer is a lost lease. Safe to send twice; only the owner may call it.
    pub async fn renew(
        &self,
        consumer: &ConsumerName,
        stream: &Stream,
        entry_ids: &[String],
    ) -> Result<HashSet<String>, StoreError> {
        let mut args = value::args([&stream.key(), key::WORKERS_GROUP, consumer.as_str(), "0"]);
        args.extend(entry_ids.iter().map(|id| Value::from(id.as_str())));
        args.push("JUSTID".into());
        let kept = self.command("XCLAIM", args).await?;
        Ok(value::words(kept, "XCLAIM")?.into_iter().collect())
    }

    /// Which of `entry_ids` are pending under `consumer`, without a change to them; one command each.
    pub async fn pending_among(
        &self,
        consumer: &ConsumerName,
        stream: &Stream,
        entry_ids: &[String],
    ) -> Result<HashSet<String>, StoreError> {
        let mut pending = HashSet::new();
        for id in entry_ids {
            let args = value::args([&stream.key(), key::WORKERS_GROUP, id.as_str(), id, "1", consumer.as_str()]);
            let rows = match self.command("XPENDING", args).await {
                Err(StoreError::NoGroup(_)) => return Ok(HashSet::new()), // nothing is pending where there is no group
                other => value::array(other?, "XPENDING")?,
            };
            if !rows.is_empty() {
                pending.insert(id.clone());
            }
        }
        Ok(pending)
    }
}
