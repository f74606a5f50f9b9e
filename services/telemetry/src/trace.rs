//! Traces, sent as OTLP over HTTP; off unless [`init`] was called, and then a call site costs one load of an atomic.
//!
//! **One task is one trace, and everybody knows which**: its trace id is the 16 bytes of the task's ULID, and the id of
//! the span that accepted it is the last eight of them. So whoever has a task's id, and be it in a line of the log of
//! facts, can put a span into its trace, and all decide alike whether it is sampled. Work entries carry the same as a
//! `traceparent`, for workers and handlers that know nothing of this rule.
//!
//! A span is a value that is sent when it is dropped; nothing is ambient, and no thread or task has a current span. The
//! SDK's batch processor has a thread and a bounded queue: what does not fit is dropped, nobody waits. In reading
//! order: [`place`] where a span stands, [`span`] what is measured, `exporter` what happens when nobody listens.

mod exporter;
pub mod place;
pub mod span;

pub use place::Place;
pub use span::{Kind, Span};

use crate::trace::exporter::Watched;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanProcessor};
use std::sync::OnceLock;
use std::time::Duration;

/// Spans that wait to be sent, at most; what comes beyond is dropped.
const QUEUE_MAX: usize = 8_192;
/// Spans of one request to the collector.
const BATCH_MAX: usize = 512;
/// How long a span waits for others at most.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// How long a collector may take to answer.
const SEND_DEADLINE: Duration = Duration::from_secs(2);
/// How long the end waits for the last spans.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

static TRACER: OnceLock<Tracer> = OnceLock::new();

/// Where spans go, and how many.
#[derive(Debug, Clone)]
pub struct TraceConfig {
    /// The base address of a collector, such as `http://127.0.0.1:4318`; without credentials.
    pub endpoint: String,
    /// The share of traces that is recorded, 0 to 1; the same in the whole installation, or traces have holes.
    pub ratio: f64,
    /// The role: `service.name` becomes `millstream-<role>`.
    pub role: &'static str,
    /// Which of them.
    pub instance: String,
    /// The version of the program.
    pub version: &'static str,
}

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The address or the machine does not allow it.
    #[error("spans cannot be sent there")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    /// This process has one already.
    #[error("traces are set up already")]
    Twice,
}

/// What records spans: one in a process, or none.
#[derive(Debug)]
pub struct Tracer {
    processor: BatchSpanProcessor,
    ratio: f64,
}

/// Keeps the traces; when it is dropped, what is recorded by then is sent, for three seconds at most.
#[must_use = "what waits is sent when the guard is dropped"]
#[derive(Debug)]
pub struct TraceGuard;

/// Starts the traces of this process; once. Nothing is connected yet, and a collector that never comes is a warning a
/// minute.
pub fn init(config: TraceConfig) -> Result<TraceGuard, TraceError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", config.endpoint.trim_end_matches('/')))
        .with_timeout(SEND_DEADLINE)
        .with_retry_policy(RetryPolicy::disabled()) // it would hold up the end of a process whose collector is away
        .build()
        .map_err(TraceError::Exporter)?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .with_scheduled_delay(SEND_EVERY)
        .build();
    let mut processor = BatchSpanProcessor::builder(Watched::new(exporter)).with_batch_config(batches).build();
    processor.set_resource(&resource(&config));
    TRACER.set(Tracer { processor, ratio: config.ratio }).map_err(|_| TraceError::Twice)?;
    Ok(TraceGuard)
}

/// The tracer, if there is one.
#[inline]
pub fn tracer() -> Option<&'static Tracer> {
    TRACER.get()
}

impl Tracer {
    /// Where the span that accepts a task stands: the root of its trace, or next to it.
    pub fn task(&self, task_id: &str) -> Place {
        Place::of_task(task_id, self.ratio)
    }

    /// A place in a trace of its own.
    pub fn alone(&self) -> Place {
        Place::random(self.ratio)
    }

    fn send(&self, span: SpanData) {
        self.processor.on_end(span);
    }
}

impl Drop for TraceGuard {
    fn drop(&mut self) {
        if let Some(tracer) = tracer()
            && let Err(error) = tracer.processor.shutdown_with_timeout(FLUSH_LIMIT)
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "the last spans were not sent");
        }
    }
}

fn resource(config: &TraceConfig) -> Resource {
    let attributes = [
        KeyValue::new(span::SERVICE_NAME, format!("millstream-{}", config.role)),
        KeyValue::new(span::SERVICE_NAMESPACE, "millstream"),
        KeyValue::new(span::SERVICE_INSTANCE, config.instance.clone()),
        KeyValue::new(span::SERVICE_VERSION, config.version),
    ];
    Resource::builder_empty().with_attributes(attributes).build()
}
