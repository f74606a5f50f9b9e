//! Keeping leases.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::value;
use fred::types::Value;
use proto_schemas::ConsumerName;
use std::collections::HashSet;

impl Store {
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
}
