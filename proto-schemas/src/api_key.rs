//! A key of the API as `api-keys` keeps it: never the secret, only its digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A key of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    /// For people.
    pub name: String,
    /// Of the secret, SHA-256 in hex: the secret is random and long, so that a fast digest keeps it.
    pub digest: String,
    /// What it may do: words out of read, write, admin.
    pub scopes: Vec<String>,
    /// Ms of the Unix epoch.
    pub created_at_ms: u64,
    /// Ms of the Unix epoch; absent if it lasts until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// Of the secret before this one, if it was given another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_digest: Option<String>,
    /// Ms of the Unix epoch until which that one opens too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_until_ms: Option<u64>,
}
