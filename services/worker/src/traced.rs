//! What an attempt is in traces: how long its entry waited, its run, and the recording of its end, all under the span
//! that its entry names, or else under the one that accepted its task.

use crate::ending::Ending;
use crate::lease::LeaseKey;
use proto_schemas::{FactKind, WorkEntry};
use std::time::{Duration, SystemTime};
use telemetry::trace::{self, Kind, Place, Span, span};

/// Where an attempt stands; made only where traces are on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TracedAttempt {
    /// The span that its entry names.
    pub(crate) parent: Place,
    /// Its run.
    pub(crate) own: Place,
    /// The span that accepted the task.
    task: Place,
}

impl TracedAttempt {
    /// Of an entry; a `traceparent` that is none counts as absent.
    pub(crate) fn of(entry: &WorkEntry) -> Option<Self> {
        let task = trace::tracer()?.task(entry.task_id.as_str());
        let parent = entry.traceparent.as_deref().and_then(Place::parse).unwrap_or(task);
        Some(Self { parent, own: parent.beside(), task })
    }

    /// Its handler begins now, after its entry has waited for so long.
    pub(crate) fn begin(&self, entry: &WorkEntry, key: &LeaseKey, waited: Duration) -> Option<Span> {
        if !self.own.is_sampled {
            return None; // before any name is made
        }
        let named = |verb: &str| format!("{verb} {}", entry.kind);
        let begun = SystemTime::now();
        if let Some(queue) =
            Span::begin_at(Kind::Internal, named(span::QUEUE), self.parent.beside(), begun.checked_sub(waited)?)
        {
            drop(about(queue.under(self.parent), key, "receive"));
        }
        let mut run =
            about(Span::begin(Kind::Consumer, named(span::PROCESS), self.own)?.under(self.parent), key, "process")
                .with(span::TASK_ID, entry.task_id.to_string())
                .with(span::SUBTASK_ID, entry.subtask_id.to_string())
                .with(span::ATTEMPT, i64::from(entry.attempt))
                .with(span::CRASHES, i64::from(entry.crashes));
        if !self.parent.shares_trace(self.task) {
            run.link(self.task);
        }
        Some(run)
    }
}

/// A run has ended, and this is to be recorded of it; nothing if its lease was lost.
pub(crate) fn end(run: Option<Span>, ending: Option<&Ending>) {
    let Some(mut run) = run else { return };
    let (outcome, error) = match ending {
        Some(Ending::Settle(settlement)) if settlement.fact.kind == FactKind::Completed => ("completed", None),
        Some(Ending::Settle(_)) => ("cancelled", None),
        Some(Ending::Retry(retry)) => ("retried", Some(retry.reason.to_string())),
        Some(Ending::Bury(burial)) => ("failed", Some(burial.reason.to_string())),
        None => ("lost", Some("lease_lost".to_owned())),
    };
    run.set(span::OUTCOME, outcome);
    if let Some(error) = error {
        run.fail(error);
    }
}

/// From now on its end waits to be recorded; part of its run, or of what its entry names where it did not begin.
pub(crate) fn recording(under: Option<Place>, key: &LeaseKey, ending: &Ending) -> Option<Span> {
    let under = under?;
    let name = match ending {
        Ending::Settle(_) => span::SETTLE,
        Ending::Retry(_) => span::RETRY,
        Ending::Bury(_) => span::BURY,
    };
    Some(about(Span::begin(Kind::Client, name, under.beside())?.under(under), key, "settle"))
}

/// What all spans of an entry say.
fn about(span: Span, key: &LeaseKey, operation: &'static str) -> Span {
    span.with(span::MESSAGING_SYSTEM, "redis")
        .with(span::MESSAGING_OPERATION, operation)
        .with(span::MESSAGING_DESTINATION, key.stream.to_string())
        .with(span::MESSAGING_ID, key.entry_id.clone())
}
