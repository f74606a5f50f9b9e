//! Somebody who asks `/ready` all the time and keeps the greatest number of losses that any orchestrator told of: each
//! counts those of its own life only.

use super::client::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_millis(500);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Asks until `over`.
pub async fn run(client: Arc<Client>, greatest: Arc<AtomicU64>, over: CancellationToken) {
    while over.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if let Ok(losses) = tokio::time::timeout(ANSWER_WITHIN, client.losses()).await {
            greatest.fetch_max(losses, Ordering::Relaxed);
        }
    }
}
