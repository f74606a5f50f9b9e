//! The API's keys as they are kept: never the secret, only its digest, in one hash by key id.

use crate::client::Store;
use crate::error::StoreError;
use crate::keep::{Kept, Place};
use crate::{key, value};
use proto_schemas::{ApiKey, limit};

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// What it opens, and until when.
    pub api_key: ApiKey,
    /// The text of that: whoever replaces the key says which one they have read.
    pub text: String,
}

impl Store {
    /// Keeps a key under its id: a new one, or in the place of what was stored before. Idempotent.
    pub async fn keep_api_key(&self, id: &str, before: Option<&str>, api_key: &ApiKey) -> Result<Kept, StoreError> {
        self.keep(Place { hash: key::API_KEYS, id, before, count_max: limit::API_KEYS_MAX }, api_key).await
    }

    /// A key, or `None` if there is none of this id.
    pub async fn api_key(&self, id: &str) -> Result<Option<StoredKey>, StoreError> {
        let text = self.command("HGET", value::args([key::API_KEYS, id])).await?.into_string();
        let read = |text: String| serde_json::from_str(&text).map(|api_key| StoredKey { api_key, text });
        text.map(read).transpose().map_err(|error| StoreError::Document(error.into()))
    }

    /// Forgets a key; whether there was one.
    pub async fn revoke_api_key(&self, id: &str) -> Result<bool, StoreError> {
        Ok(value::number(&self.command("HDEL", value::args([key::API_KEYS, id])).await?, "HDEL")? > 0)
    }

    /// Every key by its id, in the order of their making; what a stranger wrote and cannot be read is left out.
    pub async fn api_keys(&self) -> Result<Vec<(String, ApiKey)>, StoreError> {
        let fields = value::map(self.command("HGETALL", value::args([key::API_KEYS])).await?, "HGETALL")?;
        let read = |(id, text): (String, String)| Some((id, serde_json::from_str(&text).ok()?));
        let mut keys: Vec<(String, ApiKey)> = fields.into_iter().filter_map(read).collect();
        keys.sort_by(|one, other| (one.1.created_at_ms, &one.0).cmp(&(other.1.created_at_ms, &other.0)));
        Ok(keys)
    }
}
