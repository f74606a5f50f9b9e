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

    /// Waits until `replicas` have everything that was written before this call, at most `limit`; answers how many
    /// have. Needs a connection of its own ([`Store::connect_again`]), because it holds up all that comes after it.
    pub async fn wait_replicas(&self, replicas: u32, limit: std::time::Duration) -> Result<u64, StoreError> {
        let connections = self.connections();
        // WAIT speaks of what its own connection wrote last: so it writes, behind everything that is meant.
        self.command("HSET", value::args([key::META, "waited_for", &replicas.to_string()])).await?;
        let args = value::args([&replicas.to_string(), &limit.as_millis().max(1).to_string()]);
        let reached = value::number(&self.command_once("WAIT", args, limit).await?, "WAIT")?;
        // A connection that was made anew in between has written nothing, and vouches for nothing.
        Ok(if self.connections() == connections { reached } else { 0 })
    }
}
