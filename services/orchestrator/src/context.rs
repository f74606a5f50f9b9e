//! What every handler is given, and how it may ask Redis.

use crate::config::Config;
use crate::refusal::Refusal;
use proto_schemas::Kind;
use redis_store::Store;
use redis_store::submit::Admission;
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

    /// Waits for what Redis answers, but not for ever. Everything that a request asks goes into one call.
    pub async fn ask<T, E: Into<Refusal>>(&self, answer: impl Future<Output = Result<T, E>>) -> Result<T, Refusal> {
        match tokio::time::timeout(STORE_DEADLINE, answer).await {
            Ok(answer) => answer.map_err(E::into),
            Err(_) => Err(Refusal::StoreSilent),
        }
    }
}
