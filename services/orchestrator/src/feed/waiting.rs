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

/// Who waits, and how long at most.
#[derive(Debug, Clone, Copy)]
pub struct Patience<'a> {
    /// Its name, if anybody asked for it.
    pub client: Option<&'a str>,
    /// How long.
    pub limit: Duration,
}

impl Feed {
    /// Waits until a task has ended, as long as `patience` reaches.
    pub async fn wait(self: &Arc<Self>, task_id: &TaskId, patience: Patience<'_>) -> Waited {
        self.wait_for(task_id, patience, false, |state| state.status.is_terminal()).await
    }

    /// Waits until a task has another revision than this, as long as `patience` reaches.
    pub async fn wait_change(self: &Arc<Self>, task_id: &TaskId, revision: u64, patience: Patience<'_>) -> Waited {
        self.wait_for(task_id, patience, true, |state| state.revision != revision).await
    }

    async fn wait_for(
        self: &Arc<Self>,
        task_id: &TaskId,
        patience: Patience<'_>,
        changes: bool,
        is_so: impl Fn(&TaskState) -> bool,
    ) -> Waited {
        let Some(_seat) = self.seats.take(patience.client) else { return Waited::Full };
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
            waited = timeout(patience.limit, seen) => waited.unwrap_or(Waited::TimedOut),
            () = self.shutdown.cancelled() => Waited::TimedOut,
        }
    }
}
