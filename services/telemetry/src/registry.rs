//! What one service counts, and its text for a scrape. There is no registry of the process: who counts is given
//! handles, who is asked has the registry they came from. A handle is a few atomics; whoever is called often keeps it.

use crate::metric::{BUILD_INFO, Metric, START_TIME, Service, Shape};
use prometheus::core::Collector;
use prometheus::{HistogramOpts, Opts, TextEncoder};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

pub use prometheus::{
    Gauge as RealGauge, GaugeVec as RealGauges, Histogram, HistogramVec as Histograms, IntCounter as Counter,
    IntCounterVec as Counters, IntGauge as Gauge, IntGaugeVec as Gauges,
};

/// The media type of [`Registry::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of one service; clones are the same registry.
#[derive(Clone, Default)]
pub struct Registry {
    metrics: prometheus::Registry,
    followed: Arc<Mutex<Vec<Followed>>>,
}

/// A counter that copies what is counted elsewhere.
struct Followed {
    counter: Counter,
    read: Box<dyn Fn() -> u64 + Send>,
}

impl Registry {
    /// One that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says which program this is and since when it runs.
    pub fn introduce(&self, service: Service, version: &str) {
        self.gauges(&BUILD_INFO).with_label_values(&[service.as_str(), version]).set(1);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.real_gauge(&START_TIME).set(since_epoch.as_secs_f64());
    }

    /// A counter without labels.
    pub fn counter(&self, metric: &Metric) -> Counter {
        self.counters(metric).with_label_values::<&str>(&[])
    }

    /// A counter by labels; the series of a label is there from its first mention on.
    pub fn counters(&self, metric: &Metric) -> Counters {
        debug_assert_eq!(metric.shape, Shape::Counter);
        let counters = Counters::new(opts(metric), metric.labels).expect("the list holds valid names");
        self.keep(counters)
    }

    /// A gauge without labels.
    pub fn gauge(&self, metric: &Metric) -> Gauge {
        self.gauges(metric).with_label_values::<&str>(&[])
    }

    /// A gauge by labels.
    pub fn gauges(&self, metric: &Metric) -> Gauges {
        debug_assert_eq!(metric.shape, Shape::Gauge);
        let gauges = Gauges::new(opts(metric), metric.labels).expect("the list holds valid names");
        self.keep(gauges)
    }

    /// A gauge without labels that need not be whole.
    pub fn real_gauge(&self, metric: &Metric) -> RealGauge {
        self.real_gauges(metric).with_label_values::<&str>(&[])
    }

    /// A gauge by labels that need not be whole.
    pub fn real_gauges(&self, metric: &Metric) -> RealGauges {
        debug_assert_eq!(metric.shape, Shape::Gauge);
        let gauges = RealGauges::new(opts(metric), metric.labels).expect("the list holds valid names");
        self.keep(gauges)
    }

    /// A histogram without labels.
    pub fn histogram(&self, metric: &Metric) -> Histogram {
        self.histograms(metric).with_label_values::<&str>(&[])
    }

    /// A histogram by labels.
    pub fn histograms(&self, metric: &Metric) -> Histograms {
        let Shape::Histogram(bounds) = metric.shape else { unreachable!("{} is no histogram", metric.name) };
        let opts = HistogramOpts { common_opts: opts(metric), buckets: bounds.to_vec() };
        self.keep(Histograms::new(opts, metric.labels).expect("the list holds valid names and rising bounds"))
    }

    /// Copies what `read` answers into `counter` before each text; what `read` answers never falls.
    pub fn follow(&self, counter: Counter, read: impl Fn() -> u64 + Send + 'static) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.push(Followed { counter, read: Box::new(read) });
    }

    /// Everything, as a scrape reads it.
    pub fn text(&self) -> String {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner); // held: two scrapes would add twice
        for Followed { counter, read } in &*followed {
            counter.inc_by(read().saturating_sub(counter.get()));
        }
        let families = self.metrics.gather();
        TextEncoder::new().encode_to_string(&families).expect("every family of a registry has a name and a series")
    }

    fn keep<T: Collector + Clone + 'static>(&self, metric: T) -> T {
        self.metrics.register(Box::new(metric.clone())).expect("a metric of the list is registered once");
        metric
    }
}

fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{RECORDINGS, REDIS_ERRORS, RENEWALS, RUN};
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn what_is_counted_is_in_the_text_with_its_help_and_type() {
        let registry = Registry::new();
        registry.introduce(Service::Worker, "1.2.3");
        registry.counters(&RECORDINGS).with_label_values(&["settle", "stale"]).inc_by(3);
        registry.histograms(&RUN).with_label_values(&["do", "completed"]).observe(0.2);
        let text = registry.text();
        for line in [
            "millstream_build_info{service=\"worker\",version=\"1.2.3\"} 1",
            "# TYPE millstream_recordings_total counter",
            "millstream_recordings_total{answer=\"stale\",script=\"settle\"} 3",
            "millstream_subtask_run_seconds_bucket{kind=\"do\",outcome=\"completed\",le=\"0.1\"} 0",
            "millstream_subtask_run_seconds_bucket{kind=\"do\",outcome=\"completed\",le=\"0.5\"} 1",
            "millstream_subtask_run_seconds_bucket{kind=\"do\",outcome=\"completed\",le=\"+Inf\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn another_registry_knows_nothing_of_it() {
        Registry::new().counter(&RENEWALS).inc();
        assert_eq!(Registry::new().text(), "");
    }

    #[test]
    fn a_followed_counter_is_as_far_as_its_source_however_often_it_is_asked() {
        let (registry, source) = (Registry::new(), Arc::new(AtomicU64::new(2)));
        let errors = registry.counters(&REDIS_ERRORS).with_label_values(&["unavailable"]);
        let read = source.clone();
        registry.follow(errors.clone(), move || read.load(Ordering::Relaxed));
        let value = |registry: &Registry| {
            registry.text();
            errors.get()
        };
        assert_eq!((value(&registry), value(&registry)), (2, 2));
        source.store(5, Ordering::Relaxed);
        assert_eq!(value(&registry), 5);
    }
}
