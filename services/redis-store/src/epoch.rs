//! The life of this installation's data: a name that only a loss of everything takes away.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, value};

impl Store {
    /// Names the epoch `mine` if there is none, and answers the one that holds. Whoever knew another has seen a loss.
    pub async fn claim_epoch(&self, mine: &str) -> Result<String, StoreError> {
        self.command("HSETNX", value::args([key::META, "epoch", mine])).await?;
        self.epoch().await?.ok_or(StoreError::Reply("HGET meta epoch"))
    }

    /// The epoch that holds, if there is one.
    pub async fn epoch(&self) -> Result<Option<String>, StoreError> {
        Ok(self.command("HGET", value::args([key::META, "epoch"])).await?.into_string())
    }

    /// Waits until `replicas` have what this connection wrote, at most `limit`; answers how many have.
    pub async fn wait_replicas(&self, replicas: u32, limit: std::time::Duration) -> Result<u64, StoreError> {
        let args = value::args([&replicas.to_string(), &limit.as_millis().max(1).to_string()]);
        value::number(&self.command_once("WAIT", args, limit).await?, "WAIT")
    }
}
