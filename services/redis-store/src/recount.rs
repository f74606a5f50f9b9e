//! Recomputing a task's counters from its records.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use proto_schemas::TaskId;
use std::time::Duration;

/// The answer to a recount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recounted {
    /// Counters, status, times and index places follow from the records again.
    Recounted,
    /// There is no such task.
    Gone,
}

impl Store {
    /// Recounts one task in one script call.
    pub async fn recount(&self, task_id: &TaskId, task_ttl: Duration) -> Result<Recounted, StoreError> {
        let mut keys = vec![key::task(task_id), key::outcomes(task_id), key::LIFETIMES.to_owned()];
        keys.extend(key::status_indexes());
        let args = value::args([task_id.as_str(), &task_ttl.as_millis().to_string()]);
        match value::text(self.eval(&script::RECOUNT, keys, args).await?, "recount")?.as_str() {
            "recounted" => Ok(Recounted::Recounted),
            "gone" => Ok(Recounted::Gone),
            _ => Err(StoreError::Reply("recount")),
        }
    }
}
