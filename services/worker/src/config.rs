//! What a worker is told at its start.

use crate::handler::Handlers;
use crate::metrics::WorkerMetrics;
use proto_schemas::{ConsumerName, Kind, QueueName, limit};
use std::sync::Arc;
use std::time::Duration;

/// The shortest lease that a busy machine can still renew in time.
const LEASE_MIN: Duration = Duration::from_millis(100);

/// Settings of one worker process.
#[derive(Debug, Clone)]
pub struct Config {
    /// What people call it; replicas may share it.
    pub worker_id: String,
    /// Attempts at once.
    pub slots: usize,
    /// The kinds it serves; empty means every kind that has a handler.
    pub kinds: Vec<Kind>,
    /// How long a dead worker's entries wait; the same in the whole installation.
    pub lease: Duration,
    /// How long a result is kept unless its entry says otherwise.
    pub result_ttl: Duration,
    /// How long running attempts may finish after SIGTERM before they are handed back.
    pub grace: Duration,
    /// Called, on a thread of its own, when a handler that does not await cannot be stopped after its limit: everything
    /// else was handed back by then, and only the end of the process ends that handler. By default nothing is done:
    /// [`run`] returns an error as soon as the runtime lets it.
    ///
    /// [`run`]: crate::run
    pub wedged: fn(),
    /// What it counts; by default nobody looks at it. Workers that are given the same add up.
    pub metrics: Arc<WorkerMetrics>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            worker_id: "worker".to_owned(),
            slots: 64,
            kinds: Vec::new(),
            lease: Duration::from_millis(limit::LEASE_MS_DEFAULT),
            result_ttl: Duration::from_secs(limit::RESULT_TTL_SECONDS),
            grace: Duration::from_secs(25),
            wedged: || {},
            metrics: Arc::default(),
        }
    }
}

/// A configuration under which work would strand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A kind without a handler.
    #[error("WORKER_KINDS names {0}, for which there is no handler")]
    NoHandler(Kind),
    /// Entries of this kind would be read and never run.
    #[error("WORKER_KINDS leaves out {kind}, whose queue {queue} this worker reads: give the kind a queue of its own")]
    LeftOut {
        /// The kind.
        kind: Kind,
        /// The queue it shares.
        queue: QueueName,
    },
    /// Nothing would run, or no lease could be kept.
    #[error("a worker needs at least one slot and a lease of at least 100 ms")]
    TooSmall,
    /// No handler at all.
    #[error("there is no handler to serve")]
    NothingToServe,
}

impl Config {
    /// The queues to read: those of the served kinds, provided that every kind of each is served.
    pub fn queues(&self, handlers: &Handlers) -> Result<Vec<QueueName>, ConfigError> {
        if self.slots == 0 || self.lease < LEASE_MIN {
            return Err(ConfigError::TooSmall);
        }
        let serves = |kind: &Kind| self.kinds.is_empty() || self.kinds.contains(kind);
        if let Some(kind) = self.kinds.iter().find(|kind| !handlers.queues().any(|(known, _)| known == *kind)) {
            return Err(ConfigError::NoHandler(kind.clone()));
        }
        let mut queues: Vec<QueueName> =
            handlers.queues().filter(|(kind, _)| serves(kind)).map(|(_, queue)| queue.clone()).collect();
        queues.sort();
        queues.dedup();
        if let Some((kind, queue)) = handlers.queues().find(|(kind, queue)| !serves(kind) && queues.contains(queue)) {
            return Err(ConfigError::LeftOut { kind: kind.clone(), queue: queue.clone() });
        }
        if queues.is_empty() { Err(ConfigError::NothingToServe) } else { Ok(queues) }
    }
}

/// A name no other process ever has: worker id, process, and eight random hex digits; at most 64 characters.
pub(crate) fn consumer_name(worker_id: &str) -> ConsumerName {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    let id: String = worker_id.chars().map(plain).take(32).collect();
    let id = if id.is_empty() { "worker".to_owned() } else { id };
    let name = format!("{id}-{}-{:08x}", std::process::id(), fastrand::u32(..));
    ConsumerName::new(name).expect("at most 32 + 1 + 10 + 1 + 8 characters of the alphabet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers;

    fn kinds(names: &[&str]) -> Config {
        Config { kinds: names.iter().map(|name| name.parse().unwrap()).collect(), ..Config::default() }
    }

    #[test]
    fn a_kind_left_out_of_a_queue_that_is_read_stops_the_start() {
        let built_in = handlers::built_in(0.0);
        assert_eq!(kinds(&[]).queues(&built_in).unwrap(), [QueueName::default_queue()]);
        assert_eq!(kinds(&["simulate", "test_task"]).queues(&built_in).unwrap().len(), 1);
        assert!(
            matches!(kinds(&["simulate"]).queues(&built_in), Err(ConfigError::LeftOut { kind, .. }) if kind.as_str() == "test_task")
        );
        assert!(matches!(kinds(&["nonsense"]).queues(&built_in), Err(ConfigError::NoHandler(_))));
    }

    #[test]
    fn a_worker_that_could_run_nothing_does_not_start() {
        let built_in = handlers::built_in(0.0);
        let slots = Config { slots: 0, ..Config::default() };
        let lease = Config { lease: Duration::from_millis(99), ..Config::default() };
        assert_eq!(slots.queues(&built_in), Err(ConfigError::TooSmall));
        assert_eq!(lease.queues(&built_in), Err(ConfigError::TooSmall));
        assert_eq!(Config::default().queues(&Handlers::default()), Err(ConfigError::NothingToServe));
    }

    #[test]
    fn a_consumer_name_is_never_the_same_twice() {
        let odd = "wörker id/with spaces and much too long to be a name of a consumer".to_owned();
        assert_ne!(consumer_name(&odd), consumer_name(&odd));
    }
}
