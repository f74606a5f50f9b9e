//! Ending a task from outside.

use crate::client::Store;
use crate::error::StoreError;
use crate::task_end::TaskEnd;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Kind, TaskId, TaskStatus, limit, record};
use std::collections::HashSet;
use std::time::Duration;

/// Why and when a task may be cancelled.
#[derive(Debug, Clone)]
pub struct CancelOrder {
    /// One word why; `None` if a client asked for it.
    pub reason: Option<Kind>,
    /// How long the task outlives its end.
    pub task_ttl: Duration,
    /// Only if its deadline is over by Redis' clock.
    pub only_past: bool,
    /// Only if it is at this revision; what is cancelled already is no matter of revisions.
    pub if_revision: Option<u64>,
}

/// The answer to a cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// This call ended it: so many subtasks were recorded cancelled. How it ended, unless a hand has broken its
    /// counters.
    Cancelled(u64, Option<TaskEnd>),
    /// It had ended before.
    Already(TaskStatus),
    /// Its deadline is not over.
    Early,
    /// It is at another revision.
    Changed,
    /// There is no such task.
    Gone,
}

impl Store {
    /// Records every subtask without an outcome as cancelled, in one script call. Sent twice, it answers already.
    pub async fn cancel(
        &self,
        by: &ConsumerName,
        task_id: &TaskId,
        order: &CancelOrder,
    ) -> Result<Cancelled, StoreError> {
        let mut keys = vec![key::task(task_id), key::outcomes(task_id), key::plan(task_id)];
        keys.extend([key::EVENTS, key::DELAYED, key::DELAYED_BODY, key::CANCELLED, key::LIFETIMES].map(str::to_owned));
        keys.extend(key::status_indexes());
        let args = value::args([
            by.as_str(),
            task_id.as_str(),
            order.reason.as_ref().map_or("", Kind::as_str),
            &order.task_ttl.as_millis().to_string(),
            &limit::CANCEL_HINT_MS.to_string(),
            if order.only_past { "1" } else { "" },
            &order.if_revision.map(|revision| revision.to_string()).unwrap_or_default(),
        ]);
        let answer = value::array(self.eval(&script::CANCEL, keys, args).await?, "cancel")?;
        let word = |at: usize| answer.get(at).and_then(Value::as_string).ok_or(StoreError::Reply("cancel"));
        match word(0)?.as_str() {
            "cancelled" => {
                let subtasks = word(1)?.parse().map_err(|_| StoreError::Reply("cancel"))?;
                Ok(Cancelled::Cancelled(subtasks, answer.get(2..).and_then(TaskEnd::decode)))
            }
            "already" => word(1)?.parse().map(Cancelled::Already).map_err(|_| StoreError::Reply("cancel")),
            "early" => Ok(Cancelled::Early),
            "changed" => Ok(Cancelled::Changed),
            "gone" => Ok(Cancelled::Gone),
            _ => Err(StoreError::Reply("cancel")),
        }
    }

    /// Which of `tasks` were cancelled: a hint for those who run them; the truth is the record.
    pub async fn cancelled_among(&self, tasks: &[TaskId]) -> Result<HashSet<TaskId>, StoreError> {
        if tasks.is_empty() {
            return Ok(HashSet::new());
        }
        let scores = self.scores(key::CANCELLED, tasks).await?;
        Ok(tasks.iter().zip(scores).filter(|(_, score)| score.is_some()).map(|(task, _)| task.clone()).collect())
    }

    /// The tasks that carry that hint, or `None` if they are more than `count`. Sent once, for whoever asks beside a
    /// read and can ask again.
    pub async fn cancelled_if_few(&self, count: usize) -> Result<Option<HashSet<TaskId>>, StoreError> {
        let args = value::args([key::CANCELLED, "0", &count.to_string()]);
        let found = value::words(self.command_once("ZRANGE", args, Duration::ZERO).await?, "ZRANGE")?;
        let is_few = found.len() <= count;
        Ok(is_few.then(|| found.into_iter().filter_map(|id| TaskId::new(id).ok()).collect()))
    }

    /// Which of a cancelled task's subtasks, each an index and a generation, have ended; answers in their order. Those
    /// that have a record, and all if the task is over with its records: what lies in a stream may be older than its
    /// task's life.
    pub async fn ended_among(&self, task_id: &TaskId, subtasks: &[(u32, u32)]) -> Result<Vec<bool>, StoreError> {
        if subtasks.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = value::args([&key::outcomes(task_id)]);
        args.extend(subtasks.iter().map(|(index, generation)| Value::from(record::field_of(*index, *generation))));
        let (found, is_there) =
            tokio::try_join!(self.command("HMGET", args), self.command("EXISTS", value::args([&key::task(task_id)])),)?;
        let is_over = value::number(&is_there, "EXISTS")? == 0;
        Ok(value::array(found, "HMGET")?.iter().map(|record| is_over || !record.is_null()).collect())
    }

    /// Forgets the hints whose time was over at `now_ms`; answers how many.
    pub async fn forget_cancelled(&self, now_ms: u64) -> Result<u64, StoreError> {
        let args = value::args([key::CANCELLED, "-inf", &now_ms.to_string()]);
        value::number(&self.command("ZREMRANGEBYSCORE", args).await?, "ZREMRANGEBYSCORE")
    }
}
