//! What the loops of one worker share.

use crate::clock::Clock;
use crate::config::{Config, consumer_name};
use crate::due::Due;
use crate::epoch::Epoch;
use crate::handler::Handlers;
use crate::handling::Handling;
use crate::held::Held;
use crate::metrics::{KindMetrics, WorkerMetrics};
use proto_schemas::{ConsumerName, Kind};
use redis_store::Store;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) consumer: ConsumerName,
    pub(crate) worker_id: String,
    /// Only those of the kinds it serves.
    pub(crate) handlers: Handlers,
    pub(crate) held: Held,
    pub(crate) handling: Handling,
    pub(crate) due: Due,
    pub(crate) clock: Clock,
    pub(crate) epoch: Epoch,
    pub(crate) lease: Duration,
    pub(crate) result_ttl: Duration,
    pub(crate) metrics: Arc<WorkerMetrics>,
    kinds: HashMap<Kind, Arc<KindMetrics>>,
    /// What is done when a handler cannot be stopped.
    pub(crate) wedged: fn(),
    /// Fires when the worker is to stop.
    pub(crate) stopping: CancellationToken,
}

impl Shared {
    pub(crate) fn new(config: &Config, handlers: Handlers, store: Store, stopping: CancellationToken) -> Self {
        let handlers = handlers.only(&config.kinds);
        let metrics = config.metrics.clone();
        let of_kind = |(kind, _): (&Kind, _)| (kind.clone(), Arc::new(metrics.of_kind(kind)));
        Self {
            store,
            consumer: consumer_name(&config.worker_id),
            worker_id: config.worker_id.clone(),
            kinds: handlers.queues().map(of_kind).collect(),
            metrics,
            handlers,
            held: Held::default(),
            handling: Handling::default(),
            due: Due::default(),
            clock: Clock::default(),
            epoch: Epoch::default(),
            lease: config.lease,
            result_ttl: config.result_ttl,
            wedged: config.wedged,
            stopping,
        }
    }

    /// What is counted of a kind.
    pub(crate) fn metrics_of(&self, kind: &Kind) -> Arc<KindMetrics> {
        self.kinds.get(kind).cloned().unwrap_or_else(|| Arc::new(self.metrics.of_others()))
    }
}
