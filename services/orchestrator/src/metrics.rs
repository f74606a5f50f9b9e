//! What this service counts, and its page: its own counters, and beside them what Redis holds, read when it is asked
//! for.

mod measure;
mod view;

pub use measure::{ProblemCode, measure};

use crate::audit_log::Lost;
use crate::context::Context;
use crate::governor::{Gauge, Pressure};
use crate::wire::metrics_page::MetricsPage;
use poem::http::{Method, StatusCode};
use proto_schemas::{Door, Kind};
use redis_store::Store;
use redis_store::task_end::TaskEnd;
use std::sync::Arc;
use std::time::Duration;
use telemetry::metric::{self, Service};
use telemetry::registry::{self, Counter, Counters, Histograms};
use telemetry::{Registry, TaskEnds};
use view::View;

/// The metrics of one server.
pub struct Metrics {
    registry: Registry,
    requests: Counters,
    durations: Histograms,
    problems: Counters,
    accepted: Vec<(Door, Counter)>,
    overloads: Vec<(Pressure, Counter)>,
    listeners: registry::Gauge,
    ends: TaskEnds,
    view: View,
}

impl Metrics {
    /// Those of a server on `store`, with what its governor sees and what its audit lacks.
    pub fn new(store: Store, gauge: Arc<Gauge>, lost: Arc<Lost>) -> Self {
        let registry = Registry::new();
        registry.introduce(Service::Orchestrator, env!("CARGO_PKG_VERSION"));
        registry.follow(registry.counter(&metric::LOSSES), move || gauge.seen().losses);
        let errors = registry.counters(&metric::REDIS_ERRORS);
        for (at, (class, _)) in store.error_counts().into_iter().enumerate() {
            let store = store.clone();
            registry.follow(errors.with_label_values(&[class]), move || store.error_counts()[at].1);
        }
        let notes = registry.counters(&metric::NOTES_LOST);
        let dropped = lost.clone();
        registry.follow(notes.with_label_values(&["suppressed"]), move || lost.suppressed());
        registry.follow(notes.with_label_values(&["dropped"]), move || dropped.dropped());
        let (accepted, overloads) = (registry.counters(&metric::ACCEPTED), registry.counters(&metric::OVERLOADS));
        let pressures = [Pressure::Backlog, Pressure::Memory, Pressure::Unfolded];
        Self {
            requests: registry.counters(&metric::REQUESTS),
            durations: registry.histograms(&metric::REQUEST),
            problems: registry.counters(&metric::PROBLEMS),
            accepted: Door::ALL.iter().map(|it| (*it, accepted.with_label_values(&[it.as_str()]))).collect(),
            overloads: pressures.map(|it| (it, overloads.with_label_values(&[it.as_str()]))).into(),
            listeners: registry.gauge(&metric::SSE_CLIENTS),
            ends: TaskEnds::new(&registry),
            view: View::new(store),
            registry,
        }
    }

    /// A task came through `door` and is stored.
    pub fn accepted(&self, door: Door) {
        self.accepted.iter().filter(|(known, _)| *known == door).for_each(|(_, counter)| counter.inc());
    }

    /// A task has ended, because a client wanted it to.
    pub fn ended(&self, end: &TaskEnd) {
        self.ends.count(end.kind.as_ref().map(Kind::as_str), end.status.as_str(), end.took);
    }

    fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = word(method);
        self.requests.with_label_values(&[method, route, status.as_str()]).inc();
        self.durations.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// A problem document was written.
    pub fn refused(&self, code: &str) {
        self.problems.with_label_values(&[code]).inc();
    }

    /// Work was refused because something is full.
    pub fn overloaded(&self, pressure: Pressure) {
        self.overloads.iter().filter(|(known, _)| *known == pressure).for_each(|(_, counter)| counter.inc());
    }

    async fn text(&self, listeners: usize) -> String {
        self.listeners.set(listeners as i64);
        let of_redis = self.view.text().await; // first: what it could not read is counted too
        self.registry.text() + &of_redis
    }
}

/// A method that any server knows, or one word for all others.
pub fn word(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The page as it is now.
pub async fn page(context: &Context) -> MetricsPage {
    MetricsPage(context.metrics.text(context.feed.open_count()).await)
}
