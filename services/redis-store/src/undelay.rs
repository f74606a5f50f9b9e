//! Removing from `delayed` what is nobody's token.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use proto_schemas::{ConsumerName, TaskId, limit};

/// The answer to an undelaying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelayed {
    /// It waits no more; a body that cannot be read is a dead letter.
    Removed,
    /// It is the token of a subtask, or a newer Millstream's.
    Kept,
    /// There is no such member.
    Gone,
}

impl Store {
    /// Removes a member that is no token. `task_id` is whose its body says it is, if it says so; of another task it is
    /// kept. Sent twice, it answers gone the second time.
    pub async fn undelay(
        &self,
        by: &ConsumerName,
        member: &str,
        task_id: Option<&TaskId>,
    ) -> Result<Undelayed, StoreError> {
        let mut keys = [key::DELAYED, key::DELAYED_BODY, key::DEAD_LETTERS, key::META].map(str::to_owned).to_vec();
        // Without a task the script does not look at it: any key that the call has anyway will do.
        keys.push(task_id.map_or_else(|| key::DELAYED_BODY.to_owned(), key::outcomes));
        let bound = limit::DEAD_LETTERS_MAX.to_string();
        let args = value::args([by.as_str(), member, task_id.map_or("", TaskId::as_str), &bound]);
        match value::text(self.eval(&script::UNDELAY, keys, args).await?, "undelay")?.as_str() {
            "removed" => Ok(Undelayed::Removed),
            "kept" => Ok(Undelayed::Kept),
            "gone" => Ok(Undelayed::Gone),
            _ => Err(StoreError::Reply("undelay")),
        }
    }
}
