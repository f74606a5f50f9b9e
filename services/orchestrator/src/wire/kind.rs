//! The kinds that can be asked for.

use super::time::Timestamp;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Serialize;

/// Every kind that is accepted now.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example)]
pub struct KindList {
    /// By name.
    pub kinds: Vec<KindDocument>,
}

/// A kind.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct KindDocument {
    /// Its name.
    pub kind: String,
    /// Where its subtasks wait.
    pub queue: String,
    /// When a worker last said that it serves it; absent for a built-in one that no worker has named yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

impl Example for KindList {
    fn example() -> Self {
        let last_seen = Some(Timestamp::from_ms(1_790_000_000_000));
        Self { kinds: vec![KindDocument { kind: "simulate".to_owned(), queue: "default".to_owned(), last_seen }] }
    }
}
