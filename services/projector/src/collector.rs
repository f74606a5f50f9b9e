//! Removes the consumers of projectors that died. Every half minute it reads who is in the group and removes whoever
//! has not asked for entries for a minute and holds none, in one script that looks again: a consumer with pending
//! entries stays until a claimer has emptied it. A projector that was only slow comes back with its next read. If it
//! dies, another does the same.

use crate::config::Config;
use crate::pause::Pause;
use proto_schemas::ConsumerName;
use redis_store::collect_consumer::Collected;
use redis_store::heartbeat::HEARTBEAT_TTL;
use redis_store::{Store, StoreError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(30);

pub(crate) struct Collector {
    store: Store,
    own: ConsumerName,
}

impl Collector {
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        Self { store, own: config.consumer.clone() }
    }

    pub(crate) async fn run(self, shutdown: &CancellationToken) {
        let mut pause = Pause::new("collector");
        loop {
            let done = self.run_once().await.map(|collected| {
                for consumer in collected {
                    tracing::info!(consumer = %consumer, "collected a dead projector's consumer");
                }
            });
            if !pause.until_next(done, PERIOD, shutdown).await {
                return;
            }
        }
    }

    /// Looks through the group once; answers whom it removed.
    async fn run_once(&self) -> Result<Vec<ConsumerName>, StoreError> {
        let mut collected = Vec::new();
        for state in self.store.projectors().await? {
            let silent = u128::from(state.idle_ms) > HEARTBEAT_TTL.as_millis();
            if silent && state.pending == 0 && state.consumer != self.own {
                match self.store.collect_projector(&state.consumer).await? {
                    Collected::Removed => collected.push(state.consumer),
                    Collected::Busy => {}
                }
            }
        }
        Ok(collected)
    }
}
