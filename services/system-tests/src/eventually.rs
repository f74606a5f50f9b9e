//! Waiting for what must come: the condition is looked at until it holds, and a deadline that passes fails the test.

use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `look` answers something; panics with `what` when `deadline` passes.
pub fn eventually<T>(deadline: Duration, what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(deadline, look).unwrap_or_else(|| panic!("not within {deadline:?}: {what}"))
}

/// Looks until `look` answers something, or says `None` when `deadline` passes.
pub fn within<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_again_until_there_is_an_answer_and_once_more_at_the_end() {
        let mut looks = 0;
        let answer = within(Duration::from_secs(5), || {
            looks += 1;
            (looks == 3).then_some("here")
        });
        assert_eq!((answer, looks), (Some("here"), 3));
        assert_eq!(within(Duration::ZERO, || None::<()>), None);
    }
}
