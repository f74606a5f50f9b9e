//! What folding is in traces: a span for each task of a call, in the task's own trace. A line of the log carries no
//! trace context, and needs none: which trace a task has follows from its id.

use proto_schemas::TaskId;
use redis_store::events::EventEntry;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use telemetry::trace::{self, Kind, Span, span};

/// These entries were folded in one call that took so long and has just ended.
pub(crate) fn folded(entries: &[EventEntry], took: Duration) {
    let Some(tracer) = trace::tracer() else { return };
    let Some(began) = SystemTime::now().checked_sub(took) else { return };
    let mut facts: BTreeMap<&TaskId, i64> = BTreeMap::new();
    for fact in entries.iter().flat_map(|entry| entry.lines.iter().flatten()) {
        *facts.entry(&fact.task_id).or_default() += 1;
    }
    for (task_id, facts) in facts {
        let task = tracer.task(task_id.as_str());
        if let Some(fold) = Span::begin_at(Kind::Consumer, span::FOLD, task.beside(), began) {
            fold.under(task)
                .with(span::MESSAGING_SYSTEM, "redis")
                .with(span::MESSAGING_OPERATION, "process")
                .with(span::MESSAGING_DESTINATION, redis_store::key::EVENTS)
                .with(span::TASK_ID, task_id.to_string())
                .with(span::FACTS, facts);
        }
    }
}
