//! Acknowledging pending entries that do not exist any more.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::{script, value};

/// The answer to an exorcism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exorcised {
    /// It is not pending any more.
    Exorcised,
    /// It is no ghost: the entry exists.
    Kept,
    /// It was not pending.
    Gone,
}

impl Store {
    /// Exorcises a ghost of a work stream. Sent twice, it answers gone the second time.
    pub async fn exorcise(&self, stream: &Stream, entry_id: &str) -> Result<Exorcised, StoreError> {
        self.exorcise_from(stream.key(), key::WORKERS_GROUP, entry_id).await
    }

    /// Exorcises a ghost of the log that the projectors hold. Sent twice, it answers gone the second time.
    pub async fn exorcise_event(&self, entry_id: &str) -> Result<Exorcised, StoreError> {
        self.exorcise_from(key::EVENTS.to_owned(), key::PROJECTOR_GROUP, entry_id).await
    }

    async fn exorcise_from(&self, stream: String, group: &str, entry_id: &str) -> Result<Exorcised, StoreError> {
        let answer = self.eval(&script::EXORCISE, vec![stream], value::args([group, entry_id])).await?;
        match value::text(answer, "exorcise")?.as_str() {
            "exorcised" => Ok(Exorcised::Exorcised),
            "kept" => Ok(Exorcised::Kept),
            "gone" => Ok(Exorcised::Gone),
            _ => Err(StoreError::Reply("exorcise")),
        }
    }
}
