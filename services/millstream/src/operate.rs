//! What the operators' commands do around their own work: connect to Redis, or say that it is not there.

use crate::client;
use crate::exit::{Exit, Failure};
use crate::settings::{RedisSettings, masked};
use redis_store::{Store, StoreError};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `work` with a connection; Redis that stays away is exit code 69.
pub fn run<F, T>(redis: &RedisSettings, work: F) -> anyhow::Result<Exit>
where
    F: FnOnce(Store) -> T,
    T: Future<Output = Result<Exit, StoreError>>,
{
    client::run(async {
        let store = redis.connect(PATIENCE)?;
        let away = || Failure::new(Exit::Unreachable, format!("redis at {} does not answer", masked(&redis.url())));
        if !store.wait_connected(PATIENCE).await {
            return Err(away().into());
        }
        let done = work(store.clone()).await;
        store.close().await;
        done.map_err(|error| if error.is_transient() { away().into() } else { error.into() })
    })
}
