//! The exporter, with an eye on whether anybody takes what it sends. A collector that is away is told once a minute at
//! most: it is somebody's loss of sight, and no error of the service.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two warnings.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// An exporter that is watched.
#[derive(Debug)]
pub(super) struct Watched<E> {
    inner: E,
    lost: Mutex<Lost>,
}

/// What was lost since it was told the last time.
#[derive(Debug, Default)]
struct Lost {
    spans: usize,
    told_at: Option<Instant>,
}

impl<E> Watched<E> {
    pub(super) fn new(inner: E) -> Self {
        Self { inner, lost: Mutex::default() }
    }
}

impl Lost {
    /// Counts it; answers what is to be told, if it is time.
    fn add(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.spans += spans;
        if self.told_at.is_some_and(|at| now.duration_since(at) < WARN_EVERY) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.spans))
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.inner.export(batch).await;
        if let Err(error) = &sent {
            let told = self.lost.lock().unwrap_or_else(PoisonError::into_inner).add(spans, Instant::now());
            if let Some(spans) = told {
                tracing::warn!(
                    spans,
                    error = error as &dyn std::error::Error,
                    "spans are lost: the collector does not take them"
                );
            }
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_once_a_minute_and_all_of_it() {
        let (mut lost, began) = (Lost::default(), Instant::now());
        let mut add = |spans, after| lost.add(spans, began + Duration::from_secs(after));
        assert_eq!([add(3, 0), add(4, 1), add(5, 59), add(1, 60), add(2, 61)], [Some(3), None, None, Some(10), None]);
    }
}
