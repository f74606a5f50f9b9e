//! What every handler is given, and how it may ask Redis.

use crate::config::Config;
use crate::refusal::Refusal;
use proto_schemas::Kind;
use redis_store::submit::Admission;
use redis_store::{Store, StoreError};
use std::time::Duration;
use task_core::{Planner, Rules};

/// No request waits longer than this for Redis, so that a client hears of an outage within 3 s. The patience of the
/// store bounds its pauses between tries; this bounds the tries too, when Redis accepts a command and never answers.
const STORE_DEADLINE: Duration = Duration::from_millis(2_500);

/// Shared by all handlers.
pub struct Context {
    /// Redis.
    pub store: Store,
    /// The kinds that are accepted.
    pub kinds: Vec<Kind>,
    /// What a queue may hold and how long a task may take.
    pub admission: Admission,
    rules: Rules,
}

impl Context {
    /// The context of one server.
    pub fn new(config: Config, store: Store) -> Self {
        let admission = Admission { backlog_max: config.backlog_max, deadline: config.task_deadline };
        Self { store, kinds: config.kinds, admission, rules: config.plan_rules }
    }

    /// Who plans a task that brings no plan.
    pub fn planner(&self) -> &dyn Planner {
        &self.rules
    }

    /// Whether some worker can be expected to serve `kind`.
    pub fn serves(&self, kind: &Kind) -> bool {
        self.kinds.contains(kind)
    }

    /// Waits for an answer of Redis, but not for ever.
    pub async fn ask<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, Refusal> {
        match tokio::time::timeout(STORE_DEADLINE, answer).await {
            Ok(answer) => answer.map_err(Refusal::from),
            Err(_) => Err(Refusal::StoreSilent),
        }
    }
}
