//! How long a failed subtask waits for its next attempt: exponential backoff with full jitter.
//!
//! Full jitter, uniform from zero to the bound, because it spreads best what failed together (Brooker, "Exponential
//! Backoff And Jitter", AWS Architecture Blog 2015).

use std::time::Duration;

/// The pause after attempt `attempt`, counted from 1: the share `jitter`, 0 to below 1, of the smaller of `cap` and
/// `base` · 2^(attempt − 1). Never more than `cap`, however large the numbers.
pub fn delay(attempt: u32, base: Duration, cap: Duration, jitter: f64) -> Duration {
    let doublings = attempt.saturating_sub(1);
    let bound = 2_u32.checked_pow(doublings).and_then(|factor| base.checked_mul(factor));
    // Beyond 2^31 only a base of zero is still below its cap.
    let bound = bound.unwrap_or(if base.is_zero() { base } else { cap }).min(cap);
    Duration::try_from_secs_f64(bound.as_secs_f64() * jitter.clamp(0.0, 1.0)).map_or(bound, |pause| pause.min(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_with_each_attempt_up_to_its_cap() {
        let (base, cap) = (Duration::from_secs(1), Duration::from_secs(300));
        for (attempt, seconds) in [(0, 1), (1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (33, 300), (u32::MAX, 300)] {
            let half = delay(attempt, base, cap, 0.5);
            assert_eq!(half, Duration::from_secs(seconds) / 2, "attempt {attempt}");
        }
    }

    #[test]
    fn without_a_base_nobody_waits_and_a_cap_below_the_base_counts() {
        assert_eq!(delay(u32::MAX, Duration::ZERO, Duration::MAX, 0.9), Duration::ZERO);
        assert_eq!(delay(1, Duration::from_secs(9), Duration::from_secs(4), 0.5), Duration::from_secs(2));
    }
}
