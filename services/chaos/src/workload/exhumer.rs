//! An operator who now and then runs again what lies in the dead letters.

use super::client::Client;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(3);
const LETTERS: usize = 2;

/// Works until `over`.
pub async fn run(client: Arc<Client>, over: CancellationToken) {
    while over.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        // No answer is no matter: there is a next time.
        let _ = client.requeue(LETTERS).await;
    }
}
