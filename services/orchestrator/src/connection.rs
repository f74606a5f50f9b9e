//! The watcher of the connection to Redis. A timer wakes it; it looks whether there is a connection, writes one log
//! line each time that changes, and makes sure that what is accepted can be read: it creates the groups of the default
//! queue, because once Redis is full no worker could. If it dies nobody else notices: the store reconnects by itself.

use proto_schemas::QueueName;
use redis_store::Store;
use std::error::Error;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The store has just begun to connect when the service starts: an outage before that would be a false alarm.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(1);

/// The setting under which Redis never drops a task by itself.
pub const SAFE_POLICY: &str = "noeviction";

/// Watches until `shutdown`.
pub async fn run(store: Store, shutdown: CancellationToken) {
    let mut connected = store.wait_connected(FIRST_LOOK_AFTER).await;
    tell(&store, connected).await;
    while shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        if store.is_connected() != connected {
            connected = !connected;
            tell(&store, connected).await;
        }
    }
}

async fn tell(store: &Store, connected: bool) {
    if !connected {
        // The store has warned already, and said why.
        tracing::info!("redis is not connected: requests that need it are answered 503 until it is");
        return;
    }
    if let Err(error) = store.create_worker_groups(&QueueName::default_queue()).await {
        let error: &(dyn Error + 'static) = &error;
        tracing::info!(error, "the groups of the default queue are left to the workers");
    }
    match store.server_state().await {
        Ok(state) => {
            let durability = state.durability;
            tracing::info!(
                version = state.version,
                durability = durability.as_str(),
                "redis: {}",
                durability.promise()
            );
            if state.maxmemory_policy != SAFE_POLICY {
                tracing::warn!(
                    policy = state.maxmemory_policy,
                    "redis may evict tasks: set maxmemory-policy noeviction"
                );
            }
            if state.maxmemory == 0 {
                tracing::info!("redis has no maxmemory: nothing is refused before the machine has no memory left");
            }
        }
        Err(error) => {
            let error: &(dyn Error + 'static) = &error;
            tracing::info!(error, "redis is connected and does not answer yet");
        }
    }
}
