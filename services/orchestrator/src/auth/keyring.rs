//! The keys that are valid now, as Redis holds them. They are remembered for two seconds, so that requests do not ask
//! Redis each time and a key that is revoked opens nothing two seconds later. While Redis does not answer, what was
//! read last holds for a minute: an outage is told as an outage, not as a lack of rights. Whoever has waited for the
//! keys in vain is told of the outage here: what comes next would have them wait for Redis a second time.

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
/// While Redis does not answer.
const TRIED_EVERY: Duration = Duration::from_secs(1);
const OUTLIVES: Duration = Duration::from_secs(60);
/// Who waited for longer has waited for Redis.
const AT_ONCE: Duration = Duration::from_millis(100);

type Keys = Arc<HashMap<String, ApiKey>>;

/// The keys of one server.
#[derive(Default)]
pub struct Keyring {
    read: Mutex<LastRead>,
}

/// What was read last, and when it was tried in vain since.
#[derive(Default)]
struct LastRead {
    keys: Option<(Instant, Keys)>,
    failed_at: Option<Instant>,
}

impl Keyring {
    /// Who has this key.
    pub async fn client(&self, context: &Context, id: &str, secret: &str) -> Result<Client, Refusal> {
        let keys = self.keys(context).await?;
        key::client(id, secret, keys.get(id), now_ms()).ok_or(Refusal::Unauthenticated)
    }

    /// One request reads them for all that wait.
    async fn keys(&self, context: &Context) -> Result<Keys, Refusal> {
        let began = Instant::now();
        let mut read = context.ask_since(began, async { Ok::<_, Refusal>(self.read.lock().await) }).await?;
        let from_before = |read: &LastRead| read.within(OUTLIVES).filter(|_| began.elapsed() < AT_ONCE);
        if let Some(keys) = read.within(REMEMBERED) {
            return Ok(keys);
        }
        // Who waits behind a try in vain does not try again.
        if read.failed_at.is_some_and(|at| at.elapsed() < TRIED_EVERY) {
            return from_before(&read).ok_or(Refusal::StoreSilent);
        }
        match context.ask_since(began, context.store.api_keys()).await {
            Ok(keys) => {
                let keys = Arc::new(keys.into_iter().collect::<HashMap<_, _>>());
                *read = LastRead { keys: Some((Instant::now(), keys.clone())), failed_at: None };
                Ok(keys)
            }
            Err(refusal) => {
                read.failed_at = Some(Instant::now());
                from_before(&read).ok_or(refusal)
            }
        }
    }
}

impl LastRead {
    fn within(&self, age: Duration) -> Option<Keys> {
        self.keys.as_ref().filter(|(at, _)| at.elapsed() < age).map(|(_, keys)| keys.clone())
    }
}
