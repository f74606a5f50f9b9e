//! Giving a task its place in `lifetimes` again.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use proto_schemas::{TaskId, limit};
use std::time::Duration;

/// The answer to a relisting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relisted {
    /// It has a place again: its deadline, or its end and a life after it.
    Relisted,
    /// It had one.
    Kept,
    /// There is no such task.
    Gone,
}

impl Store {
    /// Relists one task that is in no place. Idempotent.
    pub async fn relist(&self, task_id: &TaskId, task_ttl: Duration) -> Result<Relisted, StoreError> {
        let keys = vec![key::task(task_id), key::LIFETIMES.to_owned()];
        let (ttl_ms, deadline_ms) = (task_ttl.as_millis().to_string(), limit::TASK_DEADLINE_MS.to_string());
        let answer = self.eval(&script::RELIST, keys, value::args([task_id.as_str(), &ttl_ms, &deadline_ms])).await?;
        match value::text(answer, "relist")?.as_str() {
            "relisted" => Ok(Relisted::Relisted),
            "kept" => Ok(Relisted::Kept),
            "gone" => Ok(Relisted::Gone),
            _ => Err(StoreError::Reply("relist")),
        }
    }
}
