//! What a request is in traces: a span of its own, and the beginning of the trace of each task that it submits.
//!
//! A request that submits one task is the first span of that task's trace, unless its client has a trace already: then
//! it stands in the client's, and the two are linked, for nobody behind Redis could find the task's trace otherwise. A
//! request with many tasks has a trace of its own, which each of theirs names.

use crate::refusal::Refusal;
use crate::routes::operation::Operation;
use crate::routes::scope::Scope;
use crate::trail::Trail;
use poem::Request;
use poem::http::{Method, StatusCode};
use proto_schemas::TaskId;
use redis_store::submit::{Submission, Submitted};
use std::sync::OnceLock;
use std::time::SystemTime;
use telemetry::trace::{self, Kind, Place, Span, place, span};

/// A request, as far as its head tells; made only where traces are on.
#[derive(Debug)]
pub struct TracedRequest {
    began: SystemTime,
    method: Method,
    parent: Option<Place>,
    own: Place,
    task: OnceLock<Place>,
}

impl TracedRequest {
    /// Of a request that has just come; a `traceparent` that is none counts as absent.
    pub fn of(request: &Request) -> Option<Self> {
        let tracer = trace::tracer()?;
        let parent = request.header(place::TRACEPARENT).and_then(Place::parse);
        let own = parent.map_or_else(|| tracer.alone(), Place::beside);
        Some(Self { began: SystemTime::now(), method: request.method().clone(), parent, own, task: OnceLock::new() })
    }

    /// Where it stands, as far as that is known.
    pub fn place(&self) -> Place {
        match self.task.get() {
            Some(task) if self.parent.is_none() => self.own.in_trace_of(*task),
            _ => self.own,
        }
    }

    /// Sends it. Probes and pages are left out unless their client follows them: they would be most of all spans.
    pub fn end(&self, operation: Option<&'static Operation>, status: StatusCode, code: &'static str) {
        let place = self.place();
        let is_probe = self.parent.is_none() && operation.is_some_and(|operation| operation.scope == Scope::Open);
        if is_probe || !place.is_sampled {
            return;
        }
        let method = if is_known(&self.method) { self.method.as_str() } else { "_OTHER" };
        let name = match operation {
            Some(operation) => format!("{method} {}", operation.template),
            None => method.to_owned(),
        };
        let Some(mut span) = Span::begin_at(Kind::Server, name, place, self.began) else { return };
        span.set(span::HTTP_METHOD, method.to_owned());
        span.set(span::HTTP_STATUS, i64::from(status.as_u16()));
        if let Some(operation) = operation {
            span.set(span::HTTP_ROUTE, operation.template.as_str());
        }
        if status.is_server_error() {
            span.fail(code);
        } else if !code.is_empty() {
            span.set(span::ERROR_TYPE, code);
        }
        if let Some(task) = self.task.get().filter(|task| !task.shares_trace(place)) {
            span.link(*task);
        }
        if let Some(parent) = self.parent {
            span = span.under(parent);
        }
        drop(span);
    }
}

/// Others would be a name for each.
fn is_known(method: &Method) -> bool {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"].contains(&method.as_str())
}

/// A task that is about to be: its id, and with it its trace.
pub struct Opening {
    /// Its id.
    pub task_id: TaskId,
    trace: Option<Opened>,
}

/// Where a task and the request that brings it stand.
#[derive(Clone, Copy)]
struct Opened {
    task: Place,
    request: Place,
}

impl Opening {
    /// Of the one task of a request.
    pub fn only(trail: &Trail) -> Self {
        Self::of(trail, |request, task| {
            let _ = request.task.set(task);
        })
    }

    /// Of one of many.
    pub fn one_of_many(trail: &Trail) -> Self {
        Self::of(trail, |_, _| {})
    }

    fn of(trail: &Trail, tell: impl FnOnce(&TracedRequest, Place)) -> Self {
        let task_id = TaskId::generate();
        let trace = trail.traced.as_ref().zip(trace::tracer()).map(|(request, tracer)| {
            let task = tracer.task(task_id.as_str());
            tell(request, task);
            Opened { task, request: request.place() }
        });
        Self { task_id, trace }
    }

    /// What the entries of the task carry, if it is recorded.
    pub fn traceparent(&self) -> Option<String> {
        self.trace.filter(|opened| opened.task.is_sampled).map(|opened| opened.task.to_string())
    }

    /// Its plan is made from now on.
    pub fn plan(&self) -> Option<Span> {
        let opened = self.trace?;
        let span = Span::begin(Kind::Internal, span::PLAN, opened.task.beside())?;
        Some(span.under(if opened.shares_trace() { opened.request } else { opened.task }))
    }

    /// It is stored from now on.
    pub fn submit(&self, submission: &Submission) -> Option<Span> {
        let opened = self.trace?;
        let mut span = Span::begin(Kind::Producer, span::SUBMIT, opened.task)?
            .with(span::MESSAGING_SYSTEM, "redis")
            .with(span::MESSAGING_OPERATION, "send")
            .with(span::TASK_ID, self.task_id.to_string())
            .with(span::SUBTASKS, submission.subtasks.len() as i64);
        if opened.shares_trace() {
            span = span.under(opened.request);
        } else {
            span.link(opened.request);
        }
        Some(span)
    }
}

impl Opened {
    fn shares_trace(self) -> bool {
        self.task.shares_trace(self.request)
    }
}

/// It was stored, or not.
pub fn stored(span: Option<Span>, answer: &Result<Submitted, Refusal>) {
    let Some(mut span) = span else { return };
    match answer {
        Ok(Submitted::Created) => span.set(span::OUTCOME, "created"),
        Ok(Submitted::Existing(_)) => span.set(span::OUTCOME, "existing"),
        Ok(Submitted::Conflict) => span.set(span::OUTCOME, "conflict"),
        Ok(Submitted::Overloaded) => span.set(span::OUTCOME, "overloaded"),
        Err(refusal) => span.fail(refusal.code()),
    }
}
