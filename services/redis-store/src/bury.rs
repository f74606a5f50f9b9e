//! Moving entries that gave up to the dead letters.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::{script, value};
use proto_schemas::{ConsumerName, Kind, limit};

/// An entry to bury.
#[derive(Debug, Clone)]
pub struct Burial {
    /// The pending entry.
    pub entry_id: String,
    /// One word why, for programs.
    pub reason: Kind,
    /// A sentence why, for people; no payload.
    pub error: String,
}

/// The answer to one burial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buried {
    /// It is a dead letter now.
    Buried,
    /// It was no longer this worker's; nothing was written.
    Stale,
}

impl Store {
    /// Buries entries of one stream in one script call; answers in order.
    pub async fn bury(&self, by: &ConsumerName, stream: &Stream, batch: &[Burial]) -> Result<Vec<Buried>, StoreError> {
        let mut args = value::args([key::WORKERS_GROUP, by.as_str(), &limit::DEAD_LETTERS_MAX.to_string()]);
        for item in batch {
            args.extend(value::args([&item.entry_id, item.reason.as_str(), &item.error]));
        }
        let keys = vec![stream.key(), key::EVENTS.to_owned(), key::DEAD_LETTERS.to_owned()];
        let answers = value::words(self.eval(&script::BURY, keys, args).await?, "bury")?;
        Ok(answers.iter().map(|word| if word == "buried" { Buried::Buried } else { Buried::Stale }).collect())
    }
}
