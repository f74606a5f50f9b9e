//! Redis' clock, as far as this worker knows it. Deadlines are times of that clock; the worker's own only carries on
//! from the last answer, so the two may be hours apart.

use crate::pause::Pause;
use redis_store::{Store, StoreError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// An answer that took longer says too little about when it was true, unless it is the first.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(1);

/// Where Redis' clock stood, and when.
#[derive(Default)]
pub(crate) struct Clock(Mutex<Option<(Instant, u64)>>);

impl Clock {
    /// Asks Redis what time it is, ms of the Unix epoch, and remembers it.
    pub(crate) async fn ask(&self, store: &Store) -> Result<u64, StoreError> {
        let asked_at = Instant::now();
        let now_ms = store.now_ms().await?;
        self.set(asked_at, now_ms);
        Ok(now_ms)
    }

    /// Asks what decides about a deadline, however long Redis is away: since an older answer the clock may have been
    /// turned. `None` if the lease is lost meanwhile.
    pub(crate) async fn ask_surely(&self, store: &Store, lost: &CancellationToken) -> Option<u64> {
        let mut pause = Pause::new();
        loop {
            match lost.run_until_cancelled(self.ask(store)).await? {
                Ok(now_ms) => return Some(now_ms),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot ask for the time of a deadline yet"
                    );
                    pause.wait(lost).await;
                }
            }
        }
    }

    fn set(&self, asked_at: Instant, now_ms: u64) {
        let took = asked_at.elapsed();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() || took <= ROUND_TRIP_MAX {
            *known = Some((asked_at + took / 2, now_ms));
        }
    }

    /// What Redis' clock shows now, ms of the Unix epoch; 0 before the first answer.
    pub(crate) fn now_ms(&self) -> u64 {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.map_or(0, |(at, ms)| ms + at.elapsed().as_millis() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_carries_on_from_the_last_answer_that_came_quickly() {
        let clock = Clock::default();
        assert_eq!(clock.now_ms(), 0);
        clock.set(Instant::now(), 1_000_000);
        assert!((1_000_000..1_001_000).contains(&clock.now_ms()));
        clock.set(Instant::now() - Duration::from_secs(5), 9_000_000);
        assert!(clock.now_ms() < 1_001_000, "too slow an answer");
        clock.set(Instant::now(), 500_000);
        assert!((500_000..501_000).contains(&clock.now_ms()), "Redis may be replaced by one that is behind");
    }
}
