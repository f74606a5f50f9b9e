//! Who of all projectors audits what is open.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, value};
use proto_schemas::ConsumerName;
use std::time::Duration;

impl Store {
    /// Whether `by` is to audit what is open: nobody else is asked to for so long. A Redis that is full keeps no mark, so
    /// there everybody is: an audit writes nothing.
    pub async fn claim_sweep(&self, by: &ConsumerName, so_long: Duration) -> Result<bool, StoreError> {
        let ms = so_long.as_millis().max(1).to_string();
        let args = value::args([key::SWEEP, by.as_str(), "PX", &ms, "NX"]);
        match self.command("SET", args).await {
            Ok(answer) => Ok(!answer.is_null()),
            Err(StoreError::OutOfMemory(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
