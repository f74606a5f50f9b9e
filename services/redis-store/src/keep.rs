//! Texts that are kept by id in a hash, and replaced only by whoever has read what stands there: the API's keys, and
//! webhooks.

use crate::client::Store;
use crate::error::StoreError;
use crate::{script, value};
use serde::Serialize;

/// The answer to whoever wants something kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is.
    Kept,
    /// As many are there as may be.
    Full,
    /// Something else stands there by now, or nothing does.
    Changed,
}

/// Where it is kept.
pub(crate) struct Place<'a> {
    /// The hash.
    pub hash: &'static str,
    /// The field in it.
    pub id: &'a str,
    /// The text that it replaces; `None` for something new.
    pub before: Option<&'a str>,
    /// How many the hash may hold.
    pub count_max: u64,
}

impl Store {
    /// Keeps something as JSON.
    pub(crate) async fn keep(&self, place: Place<'_>, it: &impl Serialize) -> Result<Kept, StoreError> {
        let text = serde_json::to_string(it).map_err(|error| StoreError::Document(error.into()))?;
        let args = value::args([place.id, place.before.unwrap_or_default(), &text, &place.count_max.to_string()]);
        let answer = self.eval(&script::KEEP, vec![place.hash.to_owned()], args).await?;
        match value::words(answer, "keep")?.first().map(String::as_str) {
            Some("kept") => Ok(Kept::Kept),
            Some("full") => Ok(Kept::Full),
            Some("changed") => Ok(Kept::Changed),
            _ => Err(StoreError::Reply("keep")),
        }
    }
}
