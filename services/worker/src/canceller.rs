//! Stops what was cancelled. Every 500 ms, while anything runs, it asks which of the running tasks carry the hint of a
//! cancel, and tells their attempts. It writes nothing: the record stands already, and the settle of a stopped attempt
//! only gives its entry back. If the process dies, the next reader of the entry asks before it starts.

use crate::shared::Shared;
use std::sync::Arc;
use std::time::Duration;

const ASK_EVERY: Duration = Duration::from_millis(500);

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        run_once(&shared).await;
    }
}

async fn run_once(shared: &Shared) {
    let tasks = shared.held.running_tasks();
    match shared.store.cancelled_among(&tasks).await {
        Ok(cancelled) if cancelled.is_empty() => {}
        Ok(cancelled) => {
            let stopped = shared.held.cancel(&cancelled);
            tracing::info!(stopped, "[{}] stopping what was cancelled", shared.worker_id);
        }
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot ask what was cancelled yet"),
    }
}
