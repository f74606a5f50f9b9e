//! Adding entries again that nobody will ever read.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::{script, value};
use proto_schemas::ConsumerName;

/// The answer to an adoption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopted {
    /// It waits for a worker again, no attempt and no crash counted.
    Adopted,
    /// It is nobody's orphan: someone holds it, or will read it.
    Kept,
    /// There is no such entry.
    Gone,
}

impl Store {
    /// Adopts one entry. Sent twice, it answers gone the second time.
    pub async fn adopt(&self, by: &ConsumerName, stream: &Stream, entry_id: &str) -> Result<Adopted, StoreError> {
        let keys = vec![stream.key(), key::EVENTS.to_owned(), key::bell(&stream.queue)];
        let args = value::args([key::WORKERS_GROUP, by.as_str(), entry_id]);
        match value::text(self.eval(&script::ADOPT, keys, args).await?, "adopt")?.as_str() {
            "adopted" => Ok(Adopted::Adopted),
            "kept" => Ok(Adopted::Kept),
            "gone" => Ok(Adopted::Gone),
            _ => Err(StoreError::Reply("adopt")),
        }
    }
}
