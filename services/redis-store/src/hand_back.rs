//! Giving entries back unfinished.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::{script, value};
use fred::types::Value;
use proto_schemas::ConsumerName;
use std::time::Duration;

/// The answer to one hand-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedBack {
    /// It waits for another worker, no attempt and no crash counted.
    Returned,
    /// It waits in `delayed`, no attempt and no crash counted.
    Parked,
    /// It was no longer this worker's; nothing was written.
    Stale,
}

impl Store {
    /// Hands back entries of one stream in one script call; answers in order.
    pub async fn hand_back(
        &self,
        by: &ConsumerName,
        stream: &Stream,
        entry_ids: &[String],
    ) -> Result<Vec<HandedBack>, StoreError> {
        self.park(by, stream, entry_ids, Duration::ZERO).await
    }

    /// The same, but what can be read comes back only after `pause`, for a worker that serves its kind.
    pub async fn park(
        &self,
        by: &ConsumerName,
        stream: &Stream,
        entry_ids: &[String],
        pause: Duration,
    ) -> Result<Vec<HandedBack>, StoreError> {
        let pause_ms = pause.as_millis().to_string();
        let mut args = value::args([key::WORKERS_GROUP, by.as_str(), stream.queue.as_str(), &pause_ms]);
        args.extend(entry_ids.iter().map(|id| Value::from(id.as_str())));
        let keys = vec![
            stream.key(),
            key::EVENTS.to_owned(),
            key::bell(&stream.queue),
            key::DELAYED.to_owned(),
            key::DELAYED_BODY.to_owned(),
        ];
        let answers = value::words(self.eval(&script::HAND_BACK, keys, args).await?, "hand_back")?;
        value::one_each(&answers, entry_ids.len(), "hand_back", |word| match word {
            "returned" => Some(HandedBack::Returned),
            "parked" => Some(HandedBack::Parked),
            "stale" => Some(HandedBack::Stale),
            _ => None,
        })
    }
}
