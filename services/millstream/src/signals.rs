//! SIGTERM, Ctrl-C and the end of the terminal: the first asks to end, the second does not ask.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `first` at the first signal and calls `second` at the next. Must be called inside a runtime.
pub fn watch(first: CancellationToken, second: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hang_up.recv() => {}
            }
        };
        next().await;
        first.cancel();
        next().await;
        second();
    });
    Ok(())
}
