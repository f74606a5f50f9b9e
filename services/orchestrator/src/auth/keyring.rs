//! The keys that are valid now, as Redis holds them. They are remembered for two seconds, so that requests do not ask Redis
//! each time and a key that is revoked opens nothing two seconds later. While Redis does not answer, what was read last
//! holds for a minute: an outage is told as an outage, not as a lack of rights.

use super::{Client, key};
use crate::context::Context;
use crate::refusal::Refusal;
use crate::wire::time::now_ms;
use proto_schemas::ApiKey;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const REMEMBERED: Duration = Duration::from_secs(2);
const OUTLIVES: Duration = Duration::from_secs(60);

type Keys = Arc<HashMap<String, ApiKey>>;

/// The keys of one server.
#[derive(Default)]
pub struct Keyring {
    /// When they were read last, and what they were.
    read: Mutex<Option<(Instant, Keys)>>,
}

impl Keyring {
    /// Who has this key.
    pub async fn client(&self, context: &Context, id: &str, secret: &str) -> Result<Client, Refusal> {
        let keys = self.keys(context).await?;
        key::client(id, secret, keys.get(id), now_ms()).ok_or(Refusal::Unauthenticated)
    }

    /// One request reads them for all that wait.
    async fn keys(&self, context: &Context) -> Result<Keys, Refusal> {
        let mut read = self.read.lock().await;
        let known =
            |within: Duration| read.as_ref().filter(|(at, _)| at.elapsed() < within).map(|(_, keys)| keys.clone());
        if let Some(keys) = known(REMEMBERED) {
            return Ok(keys);
        }
        match context.ask(context.store.api_keys()).await {
            Ok(keys) => {
                let keys = Arc::new(keys.into_iter().collect::<HashMap<_, _>>());
                *read = Some((Instant::now(), keys.clone()));
                Ok(keys)
            }
            Err(refusal) => known(OUTLIVES).ok_or(refusal),
        }
    }
}
