//! Recording how attempts ended.

use crate::batch::Named;
use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::{script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Fact, SubtaskId};
use std::time::Duration;

/// How one attempt ended.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Where its entry is pending.
    pub stream: Stream,
    /// Its entry.
    pub entry_id: String,
    /// Whose result it is.
    pub subtask_id: SubtaskId,
    /// The terminal fact; its time is set by Redis.
    pub fact: Fact,
    /// The result as JSON text, or nothing to store.
    pub result: Option<String>,
    /// How long the result is kept.
    pub result_ttl: Duration,
}

/// The answer to one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// This is the one recorded outcome.
    Recorded,
    /// It had ended already, as a cancel ends it: its entry is gone and nothing else was written.
    Dropped,
    /// The entry was no longer this worker's to settle; nothing was written.
    Stale,
}

/// Redis refuses a time to live whose end does not fit 64 bits of ms.
const RESULT_TTL_SECONDS_MAX: u64 = 999_999_999_999_999;

/// Whole seconds, at least one.
pub(crate) fn seconds(result_ttl: Duration) -> i64 {
    result_ttl.as_secs().clamp(1, RESULT_TTL_SECONDS_MAX) as i64
}

impl Store {
    /// Settles a batch in one script call; answers in the order of `batch`.
    ///
    /// A batch sent twice answers stale the second time: treat it as "stop", never as an error.
    pub async fn settle(&self, by: &ConsumerName, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let mut named = Named::default();
        let mut items: Vec<Value> = Vec::with_capacity(batch.len() * 7);
        let mut results: Vec<String> = Vec::with_capacity(batch.len());
        for item in batch {
            items.push(named.stream_no(&item.stream).into());
            items.push(item.entry_id.as_str().into());
            items.push(named.outcomes_no(&item.fact.task_id).into());
            items.push(item.fact.encode_prefix().into());
            items.push(item.fact.reason.as_ref().map_or("", |reason| reason.as_str()).into());
            items.push(item.result.as_deref().unwrap_or("").into());
            items.push(seconds(item.result_ttl).into());
            results.push(key::result(&item.subtask_id));
        }
        let (streams, outcomes) = named.counts();
        let mut args = value::args([key::WORKERS_GROUP, by.as_str(), &streams.to_string(), &outcomes.to_string()]);
        args.extend(items);
        let keys = std::iter::once(key::EVENTS.to_owned()).chain(named.keys()).chain(results).collect();
        let answers = value::words(self.eval(&script::SETTLE, keys, args).await?, "settle")?;
        value::one_each(&answers, batch.len(), "settle", |word| match word {
            "recorded" => Some(Settled::Recorded),
            "dropped" => Some(Settled::Dropped),
            "stale" => Some(Settled::Stale),
            _ => None,
        })
    }
}
