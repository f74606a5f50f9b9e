//! When a task may start, and by when it must have ended.

use crate::body::violation::{Class, Pointer, Violations};
use crate::wire::new_task::NewTask;
use proto_schemas::limit::{DEADLINE_MS_MAX, DELAY_MS_MAX};
use redis_store::submit::Start;
use std::time::Duration;

/// A time that is over by more is a mistake, not a slow request.
const OVER_MS_MAX: u64 = 24 * 3_600 * 1_000;

/// When it may start, judged at `now_ms` by our own clock; Redis' clock decides when it does.
pub fn start(new: &NewTask, now_ms: u64, violations: &mut Violations) -> Start {
    let root = Pointer::root();
    let mut refuse = |name, rule| violations.add(&root.field(name), Class::Rule, rule);
    match (new.delay_seconds, &new.run_at) {
        (Some(_), Some(_)) => refuse("run_at", "must not stand beside delay_seconds"),
        (None, None) => {}
        (Some(seconds), None) => match millis(seconds, 0..=DELAY_MS_MAX) {
            Some(0) => {}
            Some(ms) => return Start::After(Duration::from_millis(ms)),
            None => refuse("delay_seconds", "must be 0 to 31536000"),
        },
        (None, Some(time)) => match time.ms() {
            ms if ms > now_ms.saturating_add(DELAY_MS_MAX) => refuse("run_at", "must be at most a year ahead"),
            ms if ms < now_ms.saturating_sub(OVER_MS_MAX) => refuse("run_at", "must not be over for more than a day"),
            ms => return Start::At(ms),
        },
    }
    Start::Now
}

/// From its start to its deadline, if it has one of its own.
pub fn deadline(new: &NewTask, violations: &mut Violations) -> Option<Duration> {
    let seconds = new.deadline_seconds?;
    if !(1..=DEADLINE_MS_MAX / 1_000).contains(&seconds) {
        violations.add(&Pointer::root().field("deadline_seconds"), Class::Rule, "must be 1 to 2592000");
    }
    Some(Duration::from_secs(seconds))
}

/// Seconds to the nearest ms, if those are in `range`; the conversion saturates.
pub fn millis(seconds: f64, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let ms = (seconds * 1_000.0).round();
    (ms >= 0.0 && range.contains(&(ms as u64))).then_some(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::time::Timestamp;
    use poem_openapi::types::Example;

    const NOW: u64 = 1_790_000_000_000;

    fn check(delay_seconds: Option<f64>, run_at_ms: Option<u64>) -> Option<Start> {
        let run_at = run_at_ms.map(Timestamp::from_ms);
        let mut violations = Violations::default();
        let start = start(&NewTask { delay_seconds, run_at, ..NewTask::example() }, NOW, &mut violations);
        violations.is_empty().then_some(start)
    }

    #[test]
    fn a_delay_is_counted_in_ms_and_bounded() {
        let after = |ms| Some(Start::After(Duration::from_millis(ms)));
        for (seconds, expect) in [
            (0.0, Some(Start::Now)),
            (0.000_4, Some(Start::Now)),
            (0.25, after(250)),
            (1.0, after(1_000)),
            (31_536_000.0, after(DELAY_MS_MAX)),
            (31_536_000.001, None),
            (-1.0, None),
            (-0.001, None),
            (1e18, None),
            (f64::MAX, None),
        ] {
            assert_eq!(check(Some(seconds), None), expect, "{seconds}");
        }
    }

    #[test]
    fn a_time_may_be_over_a_little_and_a_year_ahead() {
        for (ms, accepted) in [
            (NOW, true),
            (NOW - OVER_MS_MAX, true),
            (NOW - OVER_MS_MAX - 1, false),
            (NOW + DELAY_MS_MAX, true),
            (NOW + DELAY_MS_MAX + 1, false),
            (0, false),
        ] {
            assert_eq!(check(None, Some(ms)), accepted.then_some(Start::At(ms)), "{ms}");
        }
        assert_eq!(check(Some(1.0), Some(NOW)), None, "one of the two");
    }
}
