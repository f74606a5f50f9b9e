//! The three ways of recording an attempt, for the settler all of one shape: a call that takes a batch, and an answer
//! to each of its items.

use crate::lease::LeaseKey;
use crate::metrics::Script;
use crate::shared::Shared;
use proto_schemas::ConsumerName;
use redis_store::bury::{Burial, Buried};
use redis_store::retry::{Retried, Retry};
use redis_store::settle::{Settled, Settlement};
use redis_store::{Store, StoreError};
use std::time::Instant;

/// Something that one script records in batches.
pub(crate) trait Recording: Clone + Send + Sync {
    type Answer: Send;

    /// The script that does it.
    const SCRIPT: Script;

    /// Where its entry is pending.
    fn key(&self) -> LeaseKey;

    /// One call of its script.
    fn send(
        store: &Store,
        by: &ConsumerName,
        batch: &[Self],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, StoreError>> + Send;

    /// What this worker has to know or say of the answer.
    fn tell(&self, shared: &Shared, answer: Self::Answer);
}

impl Recording for Settlement {
    type Answer = Settled;
    const SCRIPT: Script = Script::Settle;

    fn key(&self) -> LeaseKey {
        LeaseKey { stream: self.stream.clone(), entry_id: self.entry_id.clone() }
    }

    async fn send(store: &Store, by: &ConsumerName, batch: &[Self]) -> Result<Vec<Settled>, StoreError> {
        store.settle(by, batch).await
    }

    fn tell(&self, shared: &Shared, answer: Settled) {
        shared.metrics.answered(Self::SCRIPT, answer);
        let (worker, task) = (&shared.worker_id, &self.fact.task_id);
        match (answer, self.fact.kind) {
            (Settled::Recorded, proto_schemas::FactKind::Completed) => {
                tracing::info!("[{worker}] Completed (Task: {task})");
            }
            (Settled::Recorded, _) => tracing::info!("[{worker}] Cancelled (Task: {task})"),
            (Settled::Dropped, _) => dropped(self.subtask_id.as_str()),
            (Settled::Stale, _) => stale(self.subtask_id.as_str(), &self.entry_id),
        }
    }
}

impl Recording for Retry {
    type Answer = Retried;
    const SCRIPT: Script = Script::Retry;

    fn key(&self) -> LeaseKey {
        LeaseKey { stream: self.stream.clone(), entry_id: self.entry_id.clone() }
    }

    async fn send(store: &Store, by: &ConsumerName, batch: &[Self]) -> Result<Vec<Retried>, StoreError> {
        store.retry(by, batch).await
    }

    fn tell(&self, shared: &Shared, answer: Retried) {
        shared.metrics.answered(Self::SCRIPT, answer);
        let (worker, task, reason) = (&shared.worker_id, &self.task_id, &self.reason);
        match answer {
            Retried::Scheduled => {
                shared.due.expect(Instant::now() + self.delay);
                let delay_ms = self.delay.as_millis() as u64;
                tracing::info!(%reason, delay_ms, "[{worker}] Retrying (Task: {task})");
            }
            Retried::Dropped => dropped(task.as_str()),
            Retried::Stale => stale(task.as_str(), &self.entry_id),
        }
    }
}

impl Recording for Burial {
    type Answer = Buried;
    const SCRIPT: Script = Script::Bury;

    fn key(&self) -> LeaseKey {
        LeaseKey { stream: self.stream.clone(), entry_id: self.entry_id.clone() }
    }

    async fn send(store: &Store, by: &ConsumerName, batch: &[Self]) -> Result<Vec<Buried>, StoreError> {
        store.bury(by, batch).await
    }

    fn tell(&self, shared: &Shared, answer: Buried) {
        shared.metrics.answered(Self::SCRIPT, answer);
        if answer == Buried::Buried {
            shared.metrics.buried_for(self.reason.as_str(), 1);
        }
        let subtask_id = self.owner.as_ref().map_or("nobody's", |owner| owner.subtask_id.as_str());
        match (answer, &self.owner) {
            (Buried::Buried, Some(owner)) => {
                let reason = &self.reason;
                tracing::info!(%reason, "[{}] Failed (Task: {})", shared.worker_id, owner.task_id);
            }
            (Buried::Buried, None) => {
                tracing::error!(entry_id = self.entry_id, stream = %self.stream, error = self.error, "buried as nobody's");
            }
            (Buried::Dropped, _) => dropped(subtask_id),
            (Buried::Stale, _) => stale(subtask_id, &self.entry_id),
        }
    }
}

fn dropped(whose: &str) {
    tracing::info!(whose, "dropped: it had ended, as a cancel ends it");
}

fn stale(whose: &str, entry_id: &str) {
    tracing::warn!(whose, entry_id, "stale: another attempt has the right to record this outcome");
}
