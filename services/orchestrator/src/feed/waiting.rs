//! Waiting for a task in one request: for its end, or for any change. Who waits is a listener that wants no messages.

use super::Feed;
use super::audience::{Interest, Told};
use super::name::Names;
use proto_schemas::TaskId;
use redis_store::tail::TaskState;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is so.
    Seen,
    /// It is not so yet, or the task is gone.
    TimedOut,
    /// Too many listen and wait already.
    Full,
}

impl Feed {
    /// Waits until a task has ended, at most `limit`.
    pub async fn wait(self: &Arc<Self>, task_id: &TaskId, limit: Duration) -> Waited {
        self.wait_for(task_id, limit, false, |state| state.status.is_terminal()).await
    }

    /// Waits until a task has another revision than this, at most `limit`.
    pub async fn wait_change(self: &Arc<Self>, task_id: &TaskId, revision: u64, limit: Duration) -> Waited {
        self.wait_for(task_id, limit, true, |state| state.revision != revision).await
    }

    async fn wait_for(
        self: &Arc<Self>,
        task_id: &TaskId,
        limit: Duration,
        changes: bool,
        is_so: impl Fn(&TaskState) -> bool,
    ) -> Waited {
        let Some(_seat) = self.seats.take(None) else { return Waited::Full };
        let interest = Interest { task_id: Some(task_id.clone()), names: Names::none(), changes };
        let seen = async {
            loop {
                let mut subscription = self.hub.subscribe(interest.clone()).await;
                self.hub.watch(task_id, self.hub.position().entry);
                while let Some(told) = subscription.told.recv().await {
                    match told {
                        Told::State(told) if is_so(&told.1) => return Waited::Seen,
                        Told::State(_) | Told::Message(_) => {}
                        Told::Gone => return Waited::TimedOut,
                    }
                }
            }
        };
        tokio::select! {
            waited = timeout(limit, seen) => waited.unwrap_or(Waited::TimedOut),
            () = self.shutdown.cancelled() => Waited::TimedOut,
        }
    }
}
