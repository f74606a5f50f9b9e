//! Telling the log again how a subtask ended, so that what still waits for it is told.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use proto_schemas::{ConsumerName, TaskId};

/// The answer to a retelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retold {
    /// The record stands, and is an unfolded fact as well; the task's revision is one more.
    Retold,
    /// Something happened to the task, it has ended, or there is no such record: nothing was written.
    Moved,
}

impl Store {
    /// Retells how subtask `index` ended, if the task is open and still has `revision`. Sent twice, it answers moved
    /// the second time.
    pub async fn retell(
        &self,
        by: &ConsumerName,
        task_id: &TaskId,
        revision: u64,
        index: u32,
    ) -> Result<Retold, StoreError> {
        let keys = vec![key::task(task_id), key::outcomes(task_id), key::EVENTS.to_owned()];
        let args = value::args([by.as_str(), task_id.as_str(), &revision.to_string(), &index.to_string()]);
        match value::text(self.eval(&script::RETELL, keys, args).await?, "retell")?.as_str() {
            "retold" => Ok(Retold::Retold),
            "moved" => Ok(Retold::Moved),
            _ => Err(StoreError::Reply("retell")),
        }
    }
}
