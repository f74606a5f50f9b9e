//! What a handler knows of the attempt it runs.

use crate::handler::HandlerError;
use crate::parents::Parents;
use proto_schemas::{Priority, SubtaskId, SubtaskResult, TaskId, WorkEntry};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use telemetry::trace::Place;
use tokio_util::sync::CancellationToken;

/// One attempt, as its handler sees it.
#[derive(Debug)]
pub struct Context {
    entry: Arc<WorkEntry>,
    entry_id: String,
    parents: Arc<Parents>,
    deadline: Instant,
    cancelled: CancellationToken,
    /// A child of that, made for whoever asks for it: whatever a handler does with it, it cannot cancel its own
    /// subtask.
    given: OnceLock<CancellationToken>,
    /// Where it stands in traces, if they are on.
    place: Option<Place>,
}

impl Context {
    pub(crate) fn new(
        entry: Arc<WorkEntry>,
        entry_id: String,
        parents: Parents,
        deadline: Instant,
        cancelled: CancellationToken,
    ) -> Self {
        Self { entry, entry_id, parents: Arc::new(parents), deadline, cancelled, given: OnceLock::new(), place: None }
    }

    /// The same attempt, with its place in traces.
    pub(crate) fn standing_at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// The task.
    pub fn task_id(&self) -> &TaskId {
        &self.entry.task_id
    }

    /// Stable over attempts: give it to whatever you call, so that a repeated attempt has one effect.
    pub fn idempotency_key(&self) -> &SubtaskId {
        &self.entry.subtask_id
    }

    /// Larger for every later attempt: a store that keeps the greatest it has seen can refuse a late one.
    pub fn fencing_token(&self) -> &str {
        &self.entry_id
    }

    /// What people read.
    pub fn description(&self) -> &str {
        &self.entry.description
    }

    /// How urgent it is.
    pub fn priority(&self) -> Priority {
        self.entry.priority
    }

    /// From 1; counts failures.
    pub fn attempt(&self) -> u32 {
        self.entry.attempt
    }

    /// The attempt after which a failure is final.
    pub fn max_attempts(&self) -> u32 {
        self.entry.max_attempts
    }

    /// Workers that died with this subtask.
    pub fn crashes(&self) -> u32 {
        self.entry.crashes
    }

    /// What the subtasks that this one depends on have left, by name: an output, or the error of one that may fail, or
    /// `None` of one that completed and whose result has expired. One that ended without its handler, such as by a
    /// crash of its workers or because it was skipped, has the reason as its error and no worker.
    pub fn parents(&self) -> &BTreeMap<String, Option<SubtaskResult>> {
        &self.parents
    }

    /// The output of the parent called `name`. An error that no attempt can mend if it has none, or one of another
    /// shape.
    pub fn output_of<T: DeserializeOwned>(&self, name: &str) -> Result<T, HandlerError> {
        let fatal = |what: String| HandlerError::Fatal(format!("the parent {name} {what}"));
        let parent = self.parents.get(name).ok_or_else(|| fatal("is none of this subtask".to_owned()))?;
        let result = parent.as_ref().ok_or_else(|| fatal("has no result any more".to_owned()))?;
        let output = result.output.as_ref().ok_or_else(|| fatal("did not complete".to_owned()))?;
        serde_json::from_str(output.get()).map_err(|error| fatal(format!("left something else: {error}")))
    }

    /// When this attempt is stopped: at its timeout, or at the deadline of its task if that is sooner.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Fires when the task was cancelled, the time of the attempt is over, its right to write is lost, or the worker
    /// wants to stop. The attempt is dropped at its next await anyway; listen to stop what an await does not.
    pub fn cancelled(&self) -> &CancellationToken {
        self.given.get_or_init(|| self.cancelled.child_token())
    }

    /// The trace context of this attempt, as W3C Trace Context writes it: give it to whatever you call as the header
    /// `traceparent`, so that what happens there is part of the trace of the task. Where traces are off it is what the
    /// entry carries, if it does.
    pub fn traceparent(&self) -> Option<String> {
        let carried = || self.entry.traceparent.as_deref().and_then(Place::parse);
        self.place.or_else(carried).map(|place| place.to_string())
    }

    pub(crate) fn payload(&self) -> &str {
        &self.entry.payload
    }
}

impl Clone for Context {
    /// The clone has the same token, also where nobody has asked for it yet.
    fn clone(&self) -> Self {
        let Self { entry, entry_id, parents, deadline, cancelled, place, .. } = self;
        let given = OnceLock::from(self.cancelled().clone());
        let (entry, entry_id, parents) = (entry.clone(), entry_id.clone(), parents.clone());
        Self { entry, entry_id, parents, deadline: *deadline, cancelled: cancelled.clone(), given, place: *place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_a_token_that_hears_of_a_cancel_and_cannot_make_one() {
        let fields = [("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")];
        let bytes = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let entry = Arc::new(WorkEntry::decode(bytes, Priority::Low).unwrap());
        let of_subtask = CancellationToken::new();
        let context = |token: &CancellationToken| {
            Context::new(entry.clone(), "1-0".to_owned(), Parents::new(), Instant::now(), token.clone())
        };
        let (one, other) = (context(&of_subtask), context(&of_subtask));
        let early = one.clone();
        one.cancelled().cancel();
        assert!(early.cancelled().is_cancelled() && one.clone().cancelled().is_cancelled());
        assert!(!of_subtask.is_cancelled() && !other.cancelled().is_cancelled());
        of_subtask.cancel();
        assert!(other.cancelled().is_cancelled() && context(&of_subtask).cancelled().is_cancelled());
    }

    #[test]
    fn a_handler_hands_on_where_it_stands_or_what_its_entry_carries() {
        let carried = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let traceparent = |field: &str, place: Option<Place>| {
            let fields = [("task_id", "T"), ("subtask_id", "T-0"), ("description", "d"), ("traceparent", field)];
            let bytes = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            let entry = Arc::new(WorkEntry::decode(bytes, Priority::Low).unwrap());
            let token = CancellationToken::new();
            Context::new(entry, "1-0".to_owned(), Parents::new(), Instant::now(), token)
                .standing_at(place)
                .clone()
                .traceparent()
        };
        let own = Place::parse(carried).unwrap().beside();
        assert_eq!(traceparent(carried, Some(own)), Some(own.to_string()));
        assert_eq!(traceparent(carried, None).as_deref(), Some(carried));
        assert_eq!(traceparent("no context", None), None);
    }
}
