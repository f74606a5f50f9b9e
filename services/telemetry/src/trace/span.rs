//! A span: something that took time, at its place. Also the one list of the names of spans and attributes: those of
//! OpenTelemetry's conventions, and ours under `millstream.`.

use super::place::Place;
use super::tracer;
use opentelemetry::trace::{Link, SpanId, Status};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::time::SystemTime;

pub use opentelemetry::trace::SpanKind as Kind;

/// What made the spans.
pub const SCOPE: &str = "millstream";

/// The plan of a task is made, or judged where the client brings it.
pub const PLAN: &str = "plan";
/// A task is stored: the span that stands for the task in its trace.
pub const SUBMIT: &str = "submit";
/// An entry waits in its stream; before its kind.
pub const QUEUE: &str = "queue";
/// An attempt runs; before its kind.
pub const PROCESS: &str = "process";
/// An attempt's end waits for its call and is recorded.
pub const SETTLE: &str = "settle";
/// The same, where another attempt follows.
pub const RETRY: &str = "retry";
/// The same, where none can.
pub const BURY: &str = "bury";
/// Facts of a task are folded into its status.
pub const FOLD: &str = "fold";

/// Of the resource.
pub const SERVICE_NAME: &str = "service.name";
/// Of the resource.
pub const SERVICE_NAMESPACE: &str = "service.namespace";
/// Of the resource.
pub const SERVICE_INSTANCE: &str = "service.instance.id";
/// Of the resource.
pub const SERVICE_VERSION: &str = "service.version";

/// The method of a request.
pub const HTTP_METHOD: &str = "http.request.method";
/// The template of its path.
pub const HTTP_ROUTE: &str = "http.route";
/// The status it was answered with.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// Why it went wrong, in one word: the code of the problem, or the reason of a failure.
pub const ERROR_TYPE: &str = "error.type";
/// Always `redis`.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
/// send, receive, process or settle.
pub const MESSAGING_OPERATION: &str = "messaging.operation.type";
/// The stream.
pub const MESSAGING_DESTINATION: &str = "messaging.destination.name";
/// The entry's id.
pub const MESSAGING_ID: &str = "messaging.message.id";
/// Items of a call.
pub const MESSAGING_COUNT: &str = "messaging.batch.message_count";
/// The task.
pub const TASK_ID: &str = "millstream.task.id";
/// The subtask.
pub const SUBTASK_ID: &str = "millstream.subtask.id";
/// The attempt, from 1.
pub const ATTEMPT: &str = "millstream.attempt";
/// Workers that died with it.
pub const CRASHES: &str = "millstream.crashes";
/// What came of it, in one word.
pub const OUTCOME: &str = "millstream.outcome";
/// Subtasks of a plan.
pub const SUBTASKS: &str = "millstream.subtasks";
/// Facts of a call that are about the task.
pub const FACTS: &str = "millstream.facts";

/// A span under way; it ends when it is dropped.
#[derive(Debug)]
pub struct Span {
    place: Place,
    data: Option<Box<SpanData>>,
}

impl Span {
    /// One that begins now at `place`; nothing if that is not recorded.
    pub fn begin(kind: Kind, name: impl Into<Cow<'static, str>>, place: Place) -> Option<Self> {
        Self::begin_at(kind, name, place, SystemTime::now())
    }

    /// The same, of one that began earlier.
    pub fn begin_at(kind: Kind, name: impl Into<Cow<'static, str>>, place: Place, at: SystemTime) -> Option<Self> {
        if !place.is_sampled || tracer().is_none() {
            return None;
        }
        let data = SpanData {
            span_context: place.context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: at,
            end_time: at,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder(SCOPE).build(),
        };
        Some(Self { place, data: Some(Box::new(data)) })
    }

    /// Where it stands: the parent of what happens within it.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Says what it is part of; in the same trace.
    pub fn under(mut self, parent: Place) -> Self {
        if let Some(data) = &mut self.data {
            data.parent_span_id = parent.span_id();
        }
        self
    }

    /// Says what else it has to do with, in whichever trace.
    pub fn link(&mut self, other: Place) {
        if let Some(data) = &mut self.data {
            data.links.links.push(Link::new(other.context(), Vec::new(), 0));
        }
    }

    /// Adds what is known of it.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(data) = &mut self.data {
            data.attributes.push(KeyValue::new(name, value));
        }
    }

    /// The same, of one that was just begun.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Says that it went wrong, and why in one word.
    pub fn fail(&mut self, why: impl Into<Value>) {
        self.set(ERROR_TYPE, why);
        if let Some(data) = &mut self.data {
            data.status = Status::error("");
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let (Some(mut data), Some(tracer)) = (self.data.take(), tracer()) {
            data.end_time = SystemTime::now();
            tracer.send(*data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_told() {
        let page = include_str!("../../../../docs/traces.md");
        let constants = include_str!("span.rs").lines().filter(|line| line.starts_with("pub const "));
        let names: Vec<&str> = constants.filter_map(|line| line.split('"').nth(1)).collect();
        assert!(names.len() > 25, "{names:?}");
        for name in names {
            assert!(page.contains(&format!("`{name}")), "docs/traces.md does not tell {name}");
        }
    }

    #[test]
    fn nothing_is_recorded_while_traces_are_off() {
        let place = Place::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert!(place.is_some_and(|place| Span::begin(Kind::Internal, PLAN, place).is_none()));
    }
}
