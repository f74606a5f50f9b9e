//! What Redis holds, as a scrape reads it: one bounded read, of which all that ask within a second are given the same.
//! If Redis does not answer within half a second, all there is to tell is that.

use crate::shared_read::SharedRead;
use redis_store::Store;
use redis_store::gauges::{Gauges, StreamGauges};
use std::time::Duration;
use telemetry::Registry;
use telemetry::metric::{self, Metric};
use telemetry::registry::Gauges as Series;

const DEADLINE: Duration = Duration::from_millis(500);

/// The last read, as text.
pub struct View {
    store: Store,
    read: SharedRead<String>,
}

impl View {
    /// Of what `store` leads to.
    pub fn new(store: Store) -> Self {
        Self { store: store.with_patience(Duration::ZERO), read: SharedRead::within(DEADLINE) }
    }

    /// As of now, or of a second ago.
    pub async fn text(&self) -> String {
        let read = async { self.store.gauges().await.map(|gauges| text_of(Some(&gauges))) };
        self.read.get(read).await.unwrap_or_else(|| text_of(None))
    }
}

/// A registry of this moment: what is not there leaves no series behind.
fn text_of(gauges: Option<&Gauges>) -> String {
    let registry = Registry::new();
    registry.gauge(&metric::REDIS_UP).set(i64::from(gauges.is_some()));
    if let Some(gauges) = gauges {
        tell_sizes(&registry, gauges);
        tell_streams(&registry, &gauges.streams);
        tell_workers(&registry, gauges);
    }
    registry.text()
}

fn tell_sizes(registry: &Registry, gauges: &Gauges) {
    for (metric, value) in [
        (&metric::DELAYED, gauges.delayed),
        (&metric::DEAD_LETTERS, gauges.dead_letters),
        (&metric::EVENTS_BYTES, gauges.events_bytes),
        (&metric::UNFOLDED, gauges.unfolded_facts),
        (&metric::REDIS_MEMORY, gauges.used_memory),
        (&metric::REDIS_MEMORY_MAX, gauges.maxmemory),
    ] {
        if let Some(value) = value {
            registry.gauge(metric).set(whole(value));
        }
    }
    tell_seconds(registry, &metric::PROJECTOR_LAG, gauges.projector_lag);
    registry.counter(&metric::LETTERS_TRIMMED).inc_by(gauges.dead_letters_trimmed);
    let tasks = registry.gauges(&metric::TASKS);
    for (status, count) in gauges.tasks.iter().filter_map(|(status, count)| Some((status, (*count)?))) {
        tasks.with_label_values(&[status.as_str()]).set(whole(count));
    }
}

fn tell_streams(registry: &Registry, streams: &[StreamGauges]) {
    let (entries, backlog) = (registry.gauges(&metric::STREAM), registry.gauges(&metric::BACKLOG));
    let (pending, lag) = (registry.gauges(&metric::GROUP_PENDING), registry.gauges(&metric::GROUP_LAG));
    let waiting = registry.real_gauges(&metric::BACKLOG_AGE);
    let (known, oldest) = (registry.gauges(&metric::GROUP_LAG_KNOWN), registry.real_gauges(&metric::GROUP_OLDEST));
    let set = |series: &Series, labels: &[&str], value| series.with_label_values(labels).set(whole(value));
    for stream in streams {
        set(&entries, &[&stream.key], stream.entries);
        if let Some(work) = &stream.work {
            let labels = &[work.queue.as_str(), work.priority.as_str()];
            set(&backlog, labels, stream.backlog());
            waiting.with_label_values(labels).set(stream.oldest_waiting.unwrap_or_default().as_secs_f64());
        }
        for group in &stream.groups {
            let labels = &[stream.key.as_str(), group.name.as_str()];
            set(&pending, labels, group.pending);
            set(&known, labels, u64::from(group.lag.is_some()));
            if let Some(entries) = group.lag {
                set(&lag, labels, entries);
            }
            let age = group.oldest_pending.unwrap_or_default();
            oldest.with_label_values(labels).set(age.as_secs_f64());
        }
    }
}

fn tell_workers(registry: &Registry, gauges: &Gauges) {
    let it = gauges.workers;
    let (workers, slots) = (registry.gauges(&metric::WORKERS), registry.gauges(&metric::SLOTS));
    for (series, state, value) in [
        (&workers, "alive", it.alive),
        (&workers, "draining", it.draining),
        (&workers, "silent", it.silent),
        (&slots, "running", it.running),
        (&slots, "free", it.slots.saturating_sub(it.running)),
    ] {
        series.with_label_values(&[state]).set(whole(value));
    }
    tell_seconds(registry, &metric::HEARTBEAT, it.oldest_beat);
}

fn tell_seconds(registry: &Registry, metric: &Metric, value: Option<Duration>) {
    if let Some(value) = value {
        registry.real_gauge(metric).set(value.as_secs_f64());
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
