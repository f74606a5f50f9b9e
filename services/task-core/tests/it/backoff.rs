//! Pauses between attempts, whatever they are asked for.

use proptest::prelude::*;
use std::time::Duration;
use task_core::backoff::delay;

fn millis() -> impl Strategy<Value = Duration> {
    prop_oneof![0..10_u64, 0..1_000_000_u64, any::<u64>()].prop_map(Duration::from_millis)
}

proptest! {
    #[test]
    fn a_pause_stays_within_its_bounds_and_grows_with_attempt_and_jitter(
        attempt in any::<u32>(), base in millis(), cap in millis(), jitter in 0.0..1.0_f64, more in 0.0..1.0_f64,
    ) {
        let pause = delay(attempt, base, cap, jitter);
        prop_assert!(pause <= cap);
        if attempt <= 1 {
            prop_assert!(pause <= base);
        }
        prop_assert!(pause <= delay(attempt.saturating_add(1), base, cap, jitter));
        prop_assert!(pause <= delay(attempt, base, cap, jitter.max(more)));
        prop_assert_eq!(delay(attempt, base, cap, 0.0), Duration::ZERO);
    }

    #[test]
    fn half_of_the_pauses_are_longer_than_half_of_the_bound(seed in 0..1_000_u64) {
        let bound = Duration::from_secs(8);
        let at = |n: u64| delay(4, Duration::from_secs(1), Duration::MAX, ((seed + n) % 1_000) as f64 / 1_000.0);
        let long = (0..1_000).filter(|n| at(*n) >= bound / 2).count();
        prop_assert_eq!(long, 500);
    }
}
