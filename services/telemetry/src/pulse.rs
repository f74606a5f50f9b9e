//! The pulse of a loop: a process that does not consume must not look healthy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Beaten by a loop each time it has consumed or has found nothing to consume; read by a health check.
#[derive(Debug, Clone)]
pub struct Pulse {
    born: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { born: Instant::now(), last_ms: Arc::new(AtomicU64::new(0)) }
    }
}

impl Pulse {
    /// Says that the loop turned.
    pub fn beat(&self) {
        self.last_ms.store(self.born.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Time since the last beat, or since the start.
    pub fn age(&self) -> Duration {
        self.born.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}
