//! Leaves endpoints alone that do not answer, so that waiting for them takes no slot from those that do: after three
//! failures in a row an endpoint is tried once in half a minute, and whatever else is for it fails at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const FAILURES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(30);
/// Endpoints that are remembered; there are no more webhooks than that.
const ENDPOINTS_MAX: usize = 1_000;

/// What is known of each endpoint that fails.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<HashMap<String, Streak>>);

#[derive(Debug)]
struct Streak {
    failures: u32,
    /// When it may be tried again.
    next: Instant,
}

impl Breaker {
    /// Whether the endpoint may be tried now. Where it has failed, whoever is told so is the only one for a while.
    pub fn may_try(&self, id: &str, now: Instant) -> bool {
        let mut streaks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match streaks.get_mut(id).filter(|streak| streak.failures >= FAILURES) {
            None => true,
            Some(streak) if now < streak.next => false,
            Some(streak) => {
                streak.next = now + PAUSE;
                true
            }
        }
    }

    /// It has answered, whatever it said.
    pub fn answered(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// It has not.
    pub fn failed(&self, id: &str, now: Instant) {
        let mut streaks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if streaks.len() >= ENDPOINTS_MAX {
            streaks.clear();
        }
        let streak = streaks.entry(id.to_owned()).or_insert(Streak { failures: 0, next: now });
        streak.failures = streak.failures.saturating_add(1);
        streak.next = now + PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_does_not_answer_is_tried_now_and_then_and_no_other_suffers() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES {
            assert!(breaker.may_try("a", now));
            breaker.failed("a", now);
        }
        assert!(!breaker.may_try("a", now) && breaker.may_try("b", now));
        let later = now + PAUSE;
        assert!(breaker.may_try("a", later) && !breaker.may_try("a", later), "one probe");
        breaker.failed("a", later);
        assert!(!breaker.may_try("a", later + PAUSE / 2));
        breaker.answered("a");
        assert!(breaker.may_try("a", later) && breaker.may_try("a", later));
    }
}
