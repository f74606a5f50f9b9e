//! Moving entries that gave up to the dead letters.

use crate::batch::Named;
use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::settle::seconds;
use crate::{script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Kind, SubtaskId, TaskId, limit};
use std::time::Duration;

/// An entry to bury.
#[derive(Debug, Clone)]
pub struct Burial {
    /// Where it is pending.
    pub stream: Stream,
    /// The entry.
    pub entry_id: String,
    /// Whose it is and what it leaves; `None` of what is nobody's.
    pub owner: Option<Owner>,
    /// One word why, for programs.
    pub reason: Kind,
    /// A sentence why, for people; no payload.
    pub error: String,
}

/// The subtask that fails with the entry.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Its task.
    pub task_id: TaskId,
    /// The subtask.
    pub subtask_id: SubtaskId,
    /// The result as JSON text, or nothing to store.
    pub result: Option<String>,
    /// How long the result is kept.
    pub result_ttl: Duration,
}

/// The answer to one burial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buried {
    /// It is a dead letter now.
    Buried,
    /// It had ended already, as a cancel ends it: its entry is gone and nothing else was written.
    Dropped,
    /// It was no longer this worker's; nothing was written.
    Stale,
}

impl Store {
    /// Buries a batch in one script call; answers in its order. Sent twice, it answers stale the second time.
    pub async fn bury(&self, by: &ConsumerName, batch: &[Burial]) -> Result<Vec<Buried>, StoreError> {
        let mut named = Named::default();
        let mut items: Vec<Value> = Vec::with_capacity(batch.len() * 7);
        let mut results: Vec<String> = Vec::with_capacity(batch.len());
        for item in batch {
            let owner = item.owner.as_ref();
            items.push(named.stream_no(&item.stream).into());
            items.push(item.entry_id.as_str().into());
            items.push(owner.map_or(0, |owner| named.outcomes_no(&owner.task_id)).into());
            items.push(item.reason.as_str().into());
            items.push(item.error.as_str().into());
            items.push(owner.and_then(|owner| owner.result.as_deref()).unwrap_or("").into());
            items.push(owner.map_or(1, |owner| seconds(owner.result_ttl)).into());
            // Without an owner there is no result, so any key that the call has anyway will do.
            results.push(owner.map_or_else(|| key::META.to_owned(), |owner| key::result(&owner.subtask_id)));
        }
        let (streams, outcomes) = named.counts();
        let mut args = value::args([
            key::WORKERS_GROUP,
            by.as_str(),
            &limit::DEAD_LETTERS_MAX.to_string(),
            &streams.to_string(),
            &outcomes.to_string(),
        ]);
        args.extend(items);
        let first = [key::EVENTS, key::DEAD_LETTERS, key::META].map(str::to_owned);
        let keys = first.into_iter().chain(named.keys()).chain(results).collect();
        let answers = value::words(self.eval(&script::BURY, keys, args).await?, "bury")?;
        value::one_each(&answers, batch.len(), "bury", |word| match word {
            "buried" => Some(Buried::Buried),
            "dropped" => Some(Buried::Dropped),
            "stale" => Some(Buried::Stale),
            _ => None,
        })
    }
}
