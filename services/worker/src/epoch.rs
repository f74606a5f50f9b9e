//! Whose data this is: a name that stands in Redis for as long as nothing was lost. A worker that finds another one, or
//! none, has seen a loss of everything, such as a FLUSHALL or a failover to an empty replica, and says so.

use redis_store::{Store, StoreError};
use std::sync::{Mutex, PoisonError};
use ulid::Ulid;

/// The epoch that this worker has seen last, and how many it has seen vanish.
#[derive(Default)]
pub(crate) struct Epoch(Mutex<(Option<String>, u64)>);

impl Epoch {
    /// Compares what Redis says with what it said before, and names the epoch if it has no name; says whether it is
    /// still the same.
    pub(crate) async fn check(&self, store: &Store) -> Result<bool, StoreError> {
        let held = match store.epoch().await? {
            Some(held) => held,
            None => store.claim_epoch(&Ulid::generate().to_string()).await?,
        };
        let (known, losses) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.replace(held);
        let is_same = before.is_none() || before == *known;
        if !is_same {
            *losses += 1;
            tracing::error!(epoch = known, before, losses = *losses, "all data of this Redis was lost or replaced");
        }
        Ok(is_same)
    }
}
