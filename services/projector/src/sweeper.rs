//! Proves that what is open can go on. Once a minute, at first after a random part of it, it audits the open tasks and
//! logs each violation as an error: a subtask for which nothing stands, and whatever else the audit knows, is named by
//! a projector that runs, before anybody has missed it. What waits for something that never comes, such as a queue
//! without a worker, breaks no law and is not named here. It reads and never repairs: that is for `millstream audit
//! --repair` and whoever has seen what broke. More than 200,000 open subtasks are too many to read every minute: then
//! it says so once and waits until there are fewer. One projector sweeps for all: whoever is first sets a mark that
//! lasts for most of a minute. If it dies, the mark ends and another one sweeps; each names what it has not named
//! itself.

use crate::audit::law::Violation;
use crate::audit::report::Report;
use crate::audit::{PAUSE, audit_open};
use crate::config::Config;
use crate::metrics::ProjectorMetrics;
use crate::pause::Pause;
use proto_schemas::ConsumerName;
use redis_store::{Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(crate) struct Sweeper {
    store: Store,
    consumer: ConsumerName,
    period: Duration,
    subtasks_max: u64,
    /// What the log was told, as long as it lasts.
    told: HashSet<String>,
    /// Whether the last sweep was skipped.
    is_skipping: bool,
    metrics: Arc<ProjectorMetrics>,
}

/// What one sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swept {
    /// So many violations, of which the log was not yet told of `new`.
    Looked { violations: u64, new: usize },
    /// There is too much to read.
    Skipped,
    /// Another projector does it.
    Elsewhere,
}

impl Sweeper {
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        let (period, subtasks_max) = (config.sweep_every, config.sweep_subtasks_max);
        let (consumer, metrics) = (config.consumer.clone(), config.metrics.clone());
        Self { store, consumer, period, subtasks_max, told: HashSet::new(), is_skipping: false, metrics }
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) {
        let mut pause = Pause::new("sweeper");
        let first = self.period.mul_f64(fastrand::f64()); // not every projector at the same moment
        shutdown.run_until_cancelled(tokio::time::sleep(first)).await;
        while !shutdown.is_cancelled() {
            let Some(done) = shutdown.run_until_cancelled(self.run_once()).await else { return };
            let done = done.map(|swept| self.report(swept));
            if !pause.until_next(done, self.period, shutdown).await {
                return;
            }
        }
    }

    /// Audits what is open and tells the log what it was not yet told.
    async fn run_once(&mut self) -> Result<Swept, StoreError> {
        // Over before our own next turn: 55 s of 60.
        if !self.store.claim_sweep(&self.consumer, self.period.mul_f64(11.0 / 12.0)).await? {
            return Ok(Swept::Elsewhere);
        }
        let pause = PAUSE.min(self.period);
        let Some(report) = audit_open(&self.store, pause, self.subtasks_max).await? else { return Ok(Swept::Skipped) };
        let marks: HashSet<String> = report.violations.iter().map(mark).collect();
        let is_new = |violation: &&Violation| !self.told.contains(&mark(violation));
        let new: Vec<&Violation> = report.violations.iter().filter(is_new).collect();
        new.iter().for_each(|violation| tell(violation));
        let new = new.len();
        self.told = marks;
        Ok(Swept::Looked { violations: count(&report), new })
    }

    fn report(&mut self, swept: Swept) {
        self.metrics.violations(match swept {
            Swept::Looked { violations, .. } => violations,
            Swept::Skipped | Swept::Elsewhere => 0, // not known here
        });
        match swept {
            Swept::Looked { violations, new } if new > 0 => {
                tracing::error!(violations, new, "open tasks break the laws: see `millstream audit`, then `--repair`");
            }
            Swept::Looked { .. } => {}
            Swept::Elsewhere => return,
            Swept::Skipped if self.is_skipping => {}
            Swept::Skipped => {
                let subtasks_max = self.subtasks_max;
                tracing::warn!(subtasks_max, "more is open than is swept every minute: use `millstream audit`");
            }
        }
        self.is_skipping = swept == Swept::Skipped;
    }
}

fn count(report: &Report) -> u64 {
    report.violations.len() as u64 + report.violations_beyond
}

/// What makes two violations the same to people.
fn mark(violation: &Violation) -> String {
    let Violation { law, task_id, index, place, member, .. } = violation;
    format!("{law} {task_id:?} {index:?} {place:?} {member:?}")
}

fn tell(violation: &Violation) {
    let task = violation.task_id.as_ref().map(|task_id| task_id.as_str()).unwrap_or_default();
    tracing::error!(task_id = task, law = violation.law.as_str(), "{violation}");
}
