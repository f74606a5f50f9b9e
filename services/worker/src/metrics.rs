//! What a worker counts. Handles of each kind are looked up once, when a worker starts; on the way of an attempt there
//! are only atomics.

use crate::ending::Ending;
use proto_schemas::Kind;
use redis_store::bury::Buried;
use redis_store::promote::Promoted;
use redis_store::reap::Reaped;
use redis_store::retry::Retried;
use redis_store::settle::Settled;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::Registry;
use telemetry::bounded::{Bounded, KINDS_MAX, OTHER};
use telemetry::metric::{self, Service};
use telemetry::registry::{Counter, Counters, Gauge, Gauges, Histogram, Histograms};

/// Why an attempt failed, of those that another may follow.
const RETRIED_FOR: [&str; 3] = ["error", "timeout", "panic"];
/// Why a subtask was buried.
const BURIED_FOR: [&str; 7] = ["error", "timeout", "panic", "fatal", "result_too_large", "malformed", "crashes"];

/// The metrics of the workers of one process, and the registry that they are read from.
///
/// Without doing anything about it a worker counts for itself; to show it, give
/// [`Config::metrics`](crate::Config::metrics) one of your own and serve its [`registry`](Self::registry), as with
/// [`telemetry::exposition::serve`].
pub struct WorkerMetrics {
    registry: Registry,
    names: Bounded,
    attempts: Counters,
    run: Histograms,
    queue_wait: Histograms,
    running: Gauges,
    retries: Counters,
    buried: [Counter; BURIED_FOR.len()],
    recordings: [[Counter; 3]; 3],
    batch: [Histogram; 3],
    renewals: Counter,
    leases_lost: [Counter; 2],
    reaped: [Counter; 4],
    promoted: Counter,
    given_back: [Counter; 2],
}

/// The script that records an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Settle,
    Retry,
    Bury,
}

/// What a recording script answers, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Recorded,
    Dropped,
    Stale,
}

/// How a lease was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Somebody else has it, or nobody.
    Taken,
    /// Redis did not answer for too long.
    Silence,
}

/// Why an entry was given back unrun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    Parked,
    HandedBack,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        let registry = Registry::new();
        registry.introduce(Service::Worker, env!("CARGO_PKG_VERSION"));
        let buried = registry.counters(&metric::BURIED);
        let recordings = registry.counters(&metric::RECORDINGS);
        let batch = registry.histograms(&metric::BATCH);
        let lost = registry.counters(&metric::LEASES_LOST);
        let reaped = registry.counters(&metric::REAPED);
        let given_back = registry.counters(&metric::GIVEN_BACK);
        let scripts = ["settle", "retry", "bury"]; // in the order of the enums, as all of these
        Self {
            names: Bounded::new(KINDS_MAX),
            attempts: registry.counters(&metric::ATTEMPTS),
            run: registry.histograms(&metric::RUN),
            queue_wait: registry.histograms(&metric::QUEUE_WAIT),
            running: registry.gauges(&metric::RUNNING),
            retries: registry.counters(&metric::RETRIES),
            buried: BURIED_FOR.map(|reason| buried.with_label_values(&[reason])),
            recordings: scripts.map(|script| {
                ["recorded", "dropped", "stale"].map(|answer| recordings.with_label_values(&[script, answer]))
            }),
            batch: scripts.map(|script| batch.with_label_values(&[script])),
            renewals: registry.counter(&metric::RENEWALS),
            leases_lost: ["taken", "silence"].map(|cause| lost.with_label_values(&[cause])),
            reaped: ["returned", "buried", "malformed", "ghost"].map(|outcome| reaped.with_label_values(&[outcome])),
            promoted: registry.counter(&metric::PROMOTED),
            given_back: ["parked", "handed_back"].map(|cause| given_back.with_label_values(&[cause])),
            registry,
        }
    }
}

impl fmt::Debug for WorkerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerMetrics").finish_non_exhaustive()
    }
}

impl WorkerMetrics {
    /// Where all of it is read from.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The handles of a kind; beyond the first hundred kinds, those of `other`.
    pub(crate) fn of_kind(&self, kind: &Kind) -> KindMetrics {
        self.named(self.names.name(kind.as_str()))
    }

    /// The handles of all kinds that are not known.
    pub(crate) fn of_others(&self) -> KindMetrics {
        self.named(OTHER)
    }

    fn named(&self, kind: &str) -> KindMetrics {
        let attempts = |outcome| self.attempts.with_label_values(&[kind, outcome]);
        let run = |outcome| self.run.with_label_values(&[kind, outcome]);
        KindMetrics {
            completed: (attempts("completed"), run("completed")),
            retried: (attempts("retried"), run("failed")),
            failed: (attempts("failed"), run("failed")),
            cancelled: (attempts("cancelled"), run("cancelled")),
            lost: (attempts("lost"), run("lost")),
            queue_wait: self.queue_wait.with_label_values(&[kind]),
            running: self.running.with_label_values(&[kind]),
            retries: RETRIED_FOR.map(|reason| self.retries.with_label_values(&[kind, reason])),
        }
    }

    pub(crate) fn answered(&self, script: Script, answer: impl Into<Answer>) {
        self.recordings[script as usize][answer.into() as usize].inc();
    }

    pub(crate) fn sent(&self, script: Script, items: usize) {
        self.batch[script as usize].observe(items as f64);
    }

    /// So many dead letters were written for a reason.
    pub(crate) fn buried_for(&self, reason: &str, letters: u64) {
        if let Some(at) = BURIED_FOR.iter().position(|known| *known == reason) {
            self.buried[at].inc_by(letters);
        }
    }

    pub(crate) fn renewed(&self, leases: usize) {
        self.renewals.inc_by(leases as u64);
    }

    pub(crate) fn lost(&self, how: Loss, leases: usize) {
        self.leases_lost[how as usize].inc_by(leases as u64);
    }

    pub(crate) fn reaped(&self, Reaped { returned, buried, malformed, ghosts }: Reaped) {
        for (counter, count) in self.reaped.iter().zip([returned, buried, malformed, ghosts]) {
            counter.inc_by(count);
        }
        self.buried_for("crashes", buried);
        self.buried_for("malformed", malformed);
    }

    pub(crate) fn promoted(&self, promoted: &Promoted) {
        self.promoted.inc_by(promoted.moved);
        self.buried_for("malformed", promoted.malformed);
    }

    pub(crate) fn given_back(&self, why: Return, entries: usize) {
        self.given_back[why as usize].inc_by(entries as u64);
    }
}

/// The handles of one kind.
pub(crate) struct KindMetrics {
    completed: (Counter, Histogram),
    retried: (Counter, Histogram),
    failed: (Counter, Histogram),
    cancelled: (Counter, Histogram),
    lost: (Counter, Histogram),
    queue_wait: Histogram,
    running: Gauge,
    retries: [Counter; RETRIED_FOR.len()],
}

/// A handler that runs; dropped without an end, it has only stopped running.
pub(crate) struct Run {
    metrics: Arc<KindMetrics>,
    since: Instant,
}

impl KindMetrics {
    /// A handler begins, so long after its entry was made.
    pub(crate) fn begin(self: &Arc<Self>, waited: Duration) -> Run {
        self.queue_wait.observe(waited.as_secs_f64());
        self.running.inc();
        Run { metrics: self.clone(), since: Instant::now() }
    }
}

impl Run {
    /// It has ended, and this is to be recorded of it; nothing if its lease was lost.
    pub(crate) fn end(self, ending: Option<&Ending>) {
        let metrics = &self.metrics;
        let (counter, histogram) = match ending {
            Some(Ending::Settle(settlement)) if settlement.fact.kind == proto_schemas::FactKind::Completed => {
                &metrics.completed
            }
            Some(Ending::Settle(_)) => &metrics.cancelled,
            Some(Ending::Retry(retry)) => {
                if let Some(at) = RETRIED_FOR.iter().position(|known| *known == retry.reason.as_str()) {
                    metrics.retries[at].inc();
                }
                &metrics.retried
            }
            Some(Ending::Bury(_)) => &metrics.failed,
            None => &metrics.lost,
        };
        counter.inc();
        histogram.observe(self.since.elapsed().as_secs_f64());
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.metrics.running.dec();
    }
}

impl From<Settled> for Answer {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Recorded => Self::Recorded,
            Settled::Dropped => Self::Dropped,
            Settled::Stale => Self::Stale,
        }
    }
}

impl From<Retried> for Answer {
    fn from(retried: Retried) -> Self {
        match retried {
            Retried::Scheduled => Self::Recorded,
            Retried::Dropped => Self::Dropped,
            Retried::Stale => Self::Stale,
        }
    }
}

impl From<Buried> for Answer {
    fn from(buried: Buried) -> Self {
        match buried {
            Buried::Buried => Self::Recorded,
            Buried::Dropped => Self::Dropped,
            Buried::Stale => Self::Stale,
        }
    }
}
