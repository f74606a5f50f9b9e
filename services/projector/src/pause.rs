//! When a loop looks again: after its period, or, while errors last, after a jittered and growing pause.

use redis_store::StoreError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// The pauses of one loop. A streak of errors is logged where it begins and where it ends.
pub(crate) struct Pause {
    of: &'static str,
    errors: u32,
}

impl Pause {
    /// `of` says in the log who waits.
    pub(crate) fn new(of: &'static str) -> Self {
        Self { of, errors: 0 }
    }

    /// Ends a streak of errors.
    pub(crate) fn over(&mut self) {
        if self.errors > 0 {
            tracing::info!(errors = self.errors, "the {} goes on", self.of);
            self.errors = 0;
        }
    }

    /// Waits out one more error of a streak.
    pub(crate) async fn after(&mut self, error: &StoreError, shutdown: &CancellationToken) {
        if self.errors == 0 {
            tell(self.of, error);
        }
        self.wait(shutdown).await;
    }

    /// Waits as after an error, for a reason that was already told.
    pub(crate) async fn wait(&mut self, shutdown: &CancellationToken) {
        let pause = length(self.errors, fastrand::f64());
        self.errors = self.errors.saturating_add(1);
        shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
    }

    /// Waits for the next turn of a loop that looks every `period`; says false when it is time to stop.
    pub(crate) async fn until_next(
        &mut self,
        done: Result<(), StoreError>,
        period: Duration,
        shutdown: &CancellationToken,
    ) -> bool {
        match done {
            Ok(()) => {
                self.over();
                shutdown.run_until_cancelled(tokio::time::sleep(period)).await;
            }
            Err(error) => self.after(&error, shutdown).await,
        }
        !shutdown.is_cancelled()
    }
}

fn tell(of: &str, error: &StoreError) {
    let cause = error as &dyn std::error::Error;
    match error {
        StoreError::WrongType(_) => tracing::error!(error = cause, "the {of} waits until the key is repaired"),
        _ => tracing::warn!(error = cause, "the {of} waits and tries again"),
    }
}

/// Between half and all of a pause that doubles with each error.
fn length(errors: u32, chance: f64) -> Duration {
    let whole = FIRST.saturating_mul(1 << errors.min(16)).min(LONGEST);
    whole.mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded_on_both_sides() {
        assert_eq!(length(0, 0.0), FIRST / 2);
        assert_eq!(length(2, 1.0), FIRST * 4);
        assert_eq!(length(u32::MAX, 1.0), LONGEST);
    }
}
