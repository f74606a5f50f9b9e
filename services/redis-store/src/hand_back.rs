//! Giving entries back unfinished.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::{script, value};
use fred::types::Value;
use proto_schemas::ConsumerName;

/// The answer to one hand-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedBack {
    /// It waits for another worker, no attempt and no crash counted.
    Returned,
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
        let mut args = value::args([key::WORKERS_GROUP, by.as_str()]);
        args.extend(entry_ids.iter().map(|id| Value::from(id.as_str())));
        let keys = vec![stream.key(), key::EVENTS.to_owned(), key::bell(&stream.queue)];
        let answers = value::words(self.eval(&script::HAND_BACK, keys, args).await?, "hand_back")?;
        Ok(answers
            .iter()
            .map(|word| if word == "returned" { HandedBack::Returned } else { HandedBack::Stale })
            .collect())
    }
}
