//! The pulse of a loop, or of two: a process that does not consume must not look healthy.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Beaten by a loop each time it has consumed or has found nothing to consume; read by a health check.
#[derive(Debug, Clone)]
pub struct Pulse {
    born: Instant,
    last_ms: Arc<AtomicU64>,
    beside: Arc<OnceLock<Pulse>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { born: Instant::now(), last_ms: Arc::default(), beside: Arc::default() }
    }
}

impl Pulse {
    /// Says that the loop turned.
    pub fn beat(&self) {
        self.last_ms.store(self.born.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// The pulse of a second loop, which counts from the first time this is asked on: then this one is as old as the
    /// older of the two.
    pub fn beside(&self) -> Self {
        self.beside.get_or_init(Self::default).clone()
    }

    /// Time since the last beat, or since the start.
    pub fn age(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        let beside = self.beside.get().map_or(Duration::ZERO, Self::age);
        self.born.elapsed().saturating_sub(last).max(beside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_loops_the_one_that_stands_still_is_told_from_its_start_on() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let pulse = Pulse { born: long_ago, ..Pulse::default() };
        pulse.beat();
        let is_young = |pulse: &Pulse| pulse.age() < Duration::from_secs(30);
        assert!(is_young(&pulse), "there is no second loop yet");
        pulse.beside();
        assert!(is_young(&pulse), "the second has only begun");
        let beside = Pulse { born: long_ago, ..Pulse::default() };
        let pulse = Pulse { beside: Arc::new(OnceLock::from(beside)), ..pulse };
        pulse.beat();
        assert!(!is_young(&pulse));
        pulse.beside().beat();
        assert!(is_young(&pulse));
    }
}
