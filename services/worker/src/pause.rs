//! Waiting out an error: jittered, growing, and over at once when the worker stops.

use std::time::Duration;
use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// The pauses of one loop; [`Pause::over`] after a success.
pub(crate) struct Pause {
    next: Duration,
}

impl Pause {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    pub(crate) fn over(&mut self) {
        self.next = FIRST;
    }

    /// Waits between half and all of the pause, and doubles it.
    pub(crate) async fn wait(&mut self, shutdown: &CancellationToken) {
        let pause = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.next = (self.next * 2).min(LONGEST);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
    }
}
