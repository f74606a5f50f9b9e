//! Waiting for work without asking for it: one blocking read of the bells on a connection of its own. A bell that
//! cannot be waited at is silence and no more: the worker then looks by itself, after a pause that grows to 2 s.

use crate::appetite::IDLE_WAIT;
use crate::pause::Pause;
use crate::shared::Shared;
use proto_schemas::QueueName;
use redis_store::Store;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Bell {
    shared: Arc<Shared>,
    store: Store,
    queues: Vec<QueueName>,
    pause: Pause,
}

impl Bell {
    pub(crate) fn new(shared: Arc<Shared>, queues: Vec<QueueName>) -> Self {
        let store = shared.store.connect_again();
        Self { shared, store, queues, pause: Pause::new() }
    }

    /// Returns when a bell rings, after `limit`, or when the worker stops.
    pub(crate) async fn wait(&mut self, limit: Duration) {
        let stopping = &self.shared.stopping;
        match stopping.run_until_cancelled(self.store.wait_bell(&self.queues, limit)).await {
            Some(Ok(_)) => self.pause.over(),
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot wait at the bell");
                self.pause.wait(stopping).await;
            }
            None => {}
        }
    }

    /// Forgets the tokens that nobody waited for; whoever does so looks for work once more before waiting.
    pub(crate) async fn hush(&self) {
        for queue in &self.queues {
            let _ = self.shared.store.hush_bell(queue).await; // costs an empty read at worst
        }
    }

    /// Wakes another worker, after a hush that was followed by work: its token may have been among those.
    pub(crate) async fn pass_on(&self) {
        for queue in &self.queues {
            let _ = self.shared.store.ring_bell(queue).await; // costs the others their idle wait at worst
        }
    }

    /// Lets the connection go. A wait that is under way holds it for up to 2 s more: nobody waits for that.
    pub(crate) fn close(self) {
        tokio::spawn(async move { tokio::time::timeout(IDLE_WAIT * 2, self.store.close()).await });
    }
}
