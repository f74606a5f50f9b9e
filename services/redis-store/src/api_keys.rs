//! The API's keys as they are kept: never the secret, only its digest, in one hash by key id.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, value};
use proto_schemas::ApiKey;

impl Store {
    /// Keeps a key under its id. Idempotent.
    pub async fn keep_api_key(&self, id: &str, api_key: &ApiKey) -> Result<(), StoreError> {
        let text = serde_json::to_string(api_key).map_err(|error| StoreError::Document(error.into()))?;
        self.command("HSET", value::args([key::API_KEYS, id, &text])).await.map(drop)
    }

    /// A key, or `None` if there is none of this id.
    pub async fn api_key(&self, id: &str) -> Result<Option<ApiKey>, StoreError> {
        let text = self.command("HGET", value::args([key::API_KEYS, id])).await?.into_string();
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| StoreError::Document(error.into()))
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
