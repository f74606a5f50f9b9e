//! Ends of tasks, as each service that ends some counts them.

use crate::bounded::{Bounded, KINDS_MAX};
use crate::metric::{TASK_DURATION, TASKS_ENDED};
use crate::registry::{Counters, Histograms, Registry};
use std::time::Duration;

/// The name of a task whose subtasks are of several kinds.
const SEVERAL: &str = "several";

/// How many have ended, how, and after what time.
pub struct TaskEnds {
    names: Bounded,
    ended: Counters,
    durations: Histograms,
}

impl TaskEnds {
    /// None yet.
    pub fn new(registry: &Registry) -> Self {
        let (ended, durations) = (registry.counters(&TASKS_ENDED), registry.histograms(&TASK_DURATION));
        Self { names: Bounded::new(KINDS_MAX), ended, durations }
    }

    /// One has ended as `status`; `kind` is that of its subtasks if they have the same.
    pub fn count(&self, kind: Option<&str>, status: &str, took: Duration) {
        let labels = [kind.map_or(SEVERAL, |kind| self.names.name(kind)), status];
        self.ended.with_label_values(&labels).inc();
        self.durations.with_label_values(&labels).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_counted_and_timed_by_its_kind_and_how_it_was() {
        let registry = Registry::new();
        let ends = TaskEnds::new(&registry);
        ends.count(Some("mail"), "failed", Duration::from_millis(70));
        ends.count(None, "completed", Duration::from_secs(90_000));
        let text = registry.text();
        for line in [
            "millstream_tasks_ended_total{kind=\"mail\",status=\"failed\"} 1",
            "millstream_task_duration_seconds_bucket{kind=\"mail\",status=\"failed\",le=\"0.05\"} 0",
            "millstream_task_duration_seconds_bucket{kind=\"mail\",status=\"failed\",le=\"0.1\"} 1",
            "millstream_task_duration_seconds_bucket{kind=\"several\",status=\"completed\",le=\"86400\"} 0",
            "millstream_task_duration_seconds_count{kind=\"several\",status=\"completed\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }
}
