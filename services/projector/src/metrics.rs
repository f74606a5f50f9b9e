//! What a projector counts.

use proto_schemas::Kind;
use redis_store::fold::FoldCounts;
use redis_store::task_end::TaskEnd;
use std::fmt;
use std::time::Duration;
use telemetry::metric::{self, Service};
use telemetry::registry::{Counter, Gauge, Histogram};
use telemetry::{Registry, TaskEnds};

/// The metrics of the projectors of one process, and the registry that they are read from.
pub struct ProjectorMetrics {
    registry: Registry,
    folded: [Counter; 4],
    fold: Histogram,
    batch: Histogram,
    claimed: Counter,
    poisoned: Counter,
    trimmed: Counter,
    expired: [Counter; 2],
    violations: Gauge,
    announced: Counter,
    untold: Counter,
    ends: TaskEnds,
}

impl Default for ProjectorMetrics {
    fn default() -> Self {
        let registry = Registry::new();
        registry.introduce(Service::Projector, env!("CARGO_PKG_VERSION"));
        let folded = registry.counters(&metric::FOLDED);
        let expired = registry.counters(&metric::EXPIRED);
        Self {
            folded: ["counted", "progressed", "duplicate", "ignored"].map(|it| folded.with_label_values(&[it])),
            fold: registry.histogram(&metric::FOLD),
            batch: registry.histogram(&metric::FOLD_BATCH),
            claimed: registry.counter(&metric::CLAIMED),
            poisoned: registry.counter(&metric::POISONED),
            trimmed: registry.counter(&metric::TRIMMED),
            expired: ["cancelled", "removed"].map(|outcome| expired.with_label_values(&[outcome])),
            violations: registry.gauge(&metric::VIOLATIONS),
            announced: registry.counter(&metric::ANNOUNCED),
            untold: registry.counter(&metric::UNTOLD),
            ends: TaskEnds::new(&registry),
            registry,
        }
    }
}

impl fmt::Debug for ProjectorMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectorMetrics").finish_non_exhaustive()
    }
}

impl ProjectorMetrics {
    /// Where all of it is read from.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// One call has folded `facts`.
    pub(crate) fn folded(&self, counts: FoldCounts, facts: usize, took: Duration) {
        let FoldCounts { counted, progressed, duplicate, ignored } = counts;
        for (counter, count) in self.folded.iter().zip([counted, progressed, duplicate, ignored]) {
            counter.inc_by(count);
        }
        self.batch.observe(facts as f64);
        self.fold.observe(took.as_secs_f64());
    }

    /// A task has ended, by a fold or by its deadline.
    pub(crate) fn ended(&self, end: &TaskEnd) {
        self.ends.count(end.kind.as_ref().map(Kind::as_str), end.status.as_str(), end.took);
    }

    pub(crate) fn claimed(&self, entries: usize) {
        self.claimed.inc_by(entries as u64);
    }

    pub(crate) fn poisoned(&self) {
        self.poisoned.inc();
    }

    pub(crate) fn trimmed(&self, entries: u64) {
        self.trimmed.inc_by(entries);
    }

    pub(crate) fn cancelled(&self) {
        self.expired[0].inc();
    }

    pub(crate) fn removed(&self) {
        self.expired[1].inc();
    }

    pub(crate) fn violations(&self, violations: u64) {
        self.violations.set(i64::try_from(violations).unwrap_or(i64::MAX));
    }

    pub(crate) fn announced(&self) {
        self.announced.inc();
    }

    pub(crate) fn untold(&self, ends: u64) {
        self.untold.inc_by(ends);
    }
}
