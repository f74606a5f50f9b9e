//! Ending the lives of tasks.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use proto_schemas::TaskId;

/// The answer to an expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Nothing of it is left but results with a life of their own.
    Removed,
    /// It has not ended.
    Open,
    /// Its life was prolonged meanwhile.
    Early,
}

impl Store {
    /// Tasks whose time in `lifetimes` is over at `now_ms`, at most `count`, oldest first, without the `skip` oldest:
    /// those that had to be left alone. What is no id at all is removed: nothing can be past its life, and a page of
    /// nothing else would hide the tasks behind it.
    pub async fn past_lifetimes(&self, now_ms: u64, skip: usize, count: usize) -> Result<Vec<TaskId>, StoreError> {
        let (now_ms, skip, count) = (now_ms.to_string(), skip.to_string(), count.to_string());
        let args = value::args([key::LIFETIMES, "-inf", &now_ms, "LIMIT", &skip, &count]);
        let found = self.command("ZRANGEBYSCORE", args).await?;
        self.members(key::LIFETIMES, found, |id| TaskId::new(id).ok()).await
    }

    /// Removes one task that has ended and is past its life.
    pub async fn expire(&self, task_id: &TaskId) -> Result<Expired, StoreError> {
        let mut keys = vec![key::task(task_id), key::outcomes(task_id), key::plan(task_id), key::LIFETIMES.to_owned()];
        keys.push(key::TASKS.to_owned());
        keys.extend(key::status_indexes());
        let answer = self.eval(&script::EXPIRE, keys, value::args([task_id.as_str()])).await?;
        match value::text(answer, "expire")?.as_str() {
            "removed" => Ok(Expired::Removed),
            "open" => Ok(Expired::Open),
            "early" => Ok(Expired::Early),
            _ => Err(StoreError::Reply("expire")),
        }
    }
}
