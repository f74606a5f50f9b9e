//! Scheduling the next attempt of what failed.

use crate::batch::Named;
use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::{script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Kind, TaskId, limit};
use std::time::Duration;

/// A failed attempt that is not the last.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Where its entry is pending.
    pub stream: Stream,
    /// Its entry.
    pub entry_id: String,
    /// Its task.
    pub task_id: TaskId,
    /// From now to the next attempt, at most a year.
    pub delay: Duration,
    /// One word why it failed.
    pub reason: Kind,
}

/// The answer to one retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// The next attempt waits for its time.
    Scheduled,
    /// It had ended already, as a cancel ends it: its entry is gone and nothing else was written.
    Dropped,
    /// The entry was no longer this worker's; nothing was written.
    Stale,
}

impl Store {
    /// Schedules a batch in one script call; answers in its order. Sent twice, it answers stale the second time.
    pub async fn retry(&self, by: &ConsumerName, batch: &[Retry]) -> Result<Vec<Retried>, StoreError> {
        let mut named = Named::default();
        let mut items: Vec<Value> = Vec::with_capacity(batch.len() * 6);
        for item in batch {
            items.push(named.stream_no(&item.stream).into());
            items.push(item.stream.queue.as_str().into());
            items.push(item.entry_id.as_str().into());
            items.push(named.outcomes_no(&item.task_id).into());
            let delay_ms = item.delay.as_millis().min(u128::from(limit::DELAY_MS_MAX));
            items.push((delay_ms as i64).into());
            items.push(item.reason.as_str().into());
        }
        let (streams, outcomes) = named.counts();
        let mut args = value::args([key::WORKERS_GROUP, by.as_str(), &streams.to_string(), &outcomes.to_string()]);
        args.extend(items);
        let first = [key::EVENTS, key::DELAYED, key::DELAYED_BODY].map(str::to_owned);
        let keys = first.into_iter().chain(named.keys()).collect();
        let answers = value::words(self.eval(&script::RETRY, keys, args).await?, "retry")?;
        value::one_each(&answers, batch.len(), "retry", |word| match word {
            "scheduled" => Some(Retried::Scheduled),
            "dropped" => Some(Retried::Dropped),
            "stale" => Some(Retried::Stale),
            _ => None,
        })
    }
}
