//! Marks that keep others from doing the same for a while: nothing but effort is lost if two do it.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, value};
use proto_schemas::ConsumerName;
use std::time::Duration;

impl Store {
    /// Whether `by` is to audit what is open: no other projector is for so long.
    pub async fn claim_sweep(&self, by: &ConsumerName, so_long: Duration) -> Result<bool, StoreError> {
        self.claim(key::SWEEP, by, so_long).await
    }

    /// Whether `by` is to tell webhooks: no other projector is for so long.
    pub async fn claim_herald(&self, by: &ConsumerName, so_long: Duration) -> Result<bool, StoreError> {
        self.claim(key::HERALD, by, so_long).await
    }

    /// Lets another projector tell webhooks; only for whoever may still bar it.
    pub async fn end_herald(&self) -> Result<(), StoreError> {
        self.command("DEL", value::args([key::HERALD])).await.map(drop)
    }

    /// Whether `by` may make room for what is to run alone: no other worker may for so long.
    pub async fn begin_solitude(&self, by: &ConsumerName, so_long: Duration) -> Result<bool, StoreError> {
        self.claim(key::SOLITUDE, by, so_long).await
    }

    /// Lets another worker begin; only for whoever may still bar it.
    pub async fn end_solitude(&self) -> Result<(), StoreError> {
        self.command("DEL", value::args([key::SOLITUDE])).await.map(drop)
    }

    /// A Redis that is full keeps no mark: there everybody may.
    async fn claim(&self, gate: &str, by: &ConsumerName, so_long: Duration) -> Result<bool, StoreError> {
        let ms = so_long.as_millis().max(1).to_string();
        match self.command("SET", value::args([gate, by.as_str(), "PX", &ms, "NX"])).await {
            Ok(answer) => Ok(!answer.is_null()),
            Err(StoreError::OutOfMemory(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
