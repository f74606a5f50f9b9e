//! Re-adding what dead workers left.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::{script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, QueueName, limit};
use std::time::Duration;

/// Where the last round stopped, one cursor for each stream of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReapCursors([String; 4]);

impl Default for ReapCursors {
    fn default() -> Self {
        Self(std::array::from_fn(|_| "0-0".to_owned()))
    }
}

impl ReapCursors {
    /// Whether every stream was looked through to its end.
    pub fn is_done(&self) -> bool {
        self.0.iter().all(|cursor| cursor == "0-0")
    }
}

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Re-added with one crash more.
    pub returned: u64,
    /// Buried after too many crashes.
    pub buried: u64,
    /// Dead-lettered because nobody can run them.
    pub malformed: u64,
    /// Pending ids whose entry someone had deleted: must be 0.
    pub ghosts: u64,
}

/// Entries a stream and round.
const COUNT: &str = "100";

impl Store {
    /// Runs this second's round for `queue` unless another worker already has: then `None`.
    pub async fn reap(
        &self,
        by: &ConsumerName,
        queue: &QueueName,
        lease: Duration,
        cursors: &mut ReapCursors,
    ) -> Result<Option<Reaped>, StoreError> {
        let mut args = value::args([
            key::WORKERS_GROUP,
            by.as_str(),
            &lease.as_millis().to_string(),
            COUNT,
            &limit::CRASHES_MAX.to_string(),
            &limit::CRASHES_CAP.to_string(),
            &limit::ALONE_DELIVERIES.to_string(),
            &limit::DEAD_LETTERS_MAX.to_string(),
        ]);
        args.extend(cursors.0.iter().map(|cursor| Value::from(cursor.as_str())));
        let mut keys = vec![
            key::maintenance(queue),
            key::EVENTS.to_owned(),
            key::DEAD_LETTERS.to_owned(),
            key::bell(queue),
            key::META.to_owned(),
        ];
        keys.extend(Stream::of(queue).iter().map(Stream::key));
        let answer = value::array(self.eval(&script::REAP, keys, args).await?, "reap")?;
        let count = |at: usize| answer.get(at).map_or(Err(StoreError::Reply("reap")), |n| value::number(n, "reap"));
        match answer.first().and_then(Value::as_str).as_deref() {
            Some("skipped") => Ok(None),
            Some("ran") => {
                let reaped = Reaped { returned: count(1)?, buried: count(2)?, malformed: count(3)?, ghosts: count(4)? };
                for (at, cursor) in cursors.0.iter_mut().enumerate() {
                    *cursor = answer.get(5 + at).and_then(Value::as_string).ok_or(StoreError::Reply("reap"))?;
                }
                Ok(Some(reaped))
            }
            _ => Err(StoreError::Reply("reap")),
        }
    }
}
