//! Opening generations again that the log tells of.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::TaskId;

impl Store {
    /// Raises the current generation of each index to at least the one given, which some fact `requeued` has told;
    /// answers how many were lower. Idempotent; the caller recounts.
    pub async fn reopen(&self, task_id: &TaskId, told: &[(u32, u32)]) -> Result<u64, StoreError> {
        let keys = vec![key::task(task_id), key::outcomes(task_id)];
        let args = told.iter().flat_map(|(index, generation)| [*index, *generation]);
        let args = args.map(|number| Value::from(i64::from(number))).collect();
        value::number(&self.eval(&script::REOPEN, keys, args).await?, "reopen")
    }
}
