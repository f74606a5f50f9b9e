//! What the loops of one worker share.

use crate::clock::Clock;
use crate::config::{Config, consumer_name};
use crate::due::Due;
use crate::epoch::Epoch;
use crate::handler::Handlers;
use crate::handling::Handling;
use crate::held::Held;
use proto_schemas::ConsumerName;
use redis_store::Store;
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
    /// What is done when a handler cannot be stopped.
    pub(crate) wedged: fn(),
    /// Fires when the worker is to stop.
    pub(crate) stopping: CancellationToken,
}

impl Shared {
    pub(crate) fn new(config: &Config, handlers: Handlers, store: Store, stopping: CancellationToken) -> Self {
        Self {
            store,
            consumer: consumer_name(&config.worker_id),
            worker_id: config.worker_id.clone(),
            handlers: handlers.only(&config.kinds),
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
}
