//! Room for one: an entry that several workers have died with runs alone in this one, so that nothing dies beside it and
//! its next crash is its own.

use crate::lease::LeaseKey;
use crate::returner;
use crate::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// How long the others may take to finish before they are handed back, and how long one waits for its turn before it is.
const REST_MAX: Duration = Duration::from_secs(10);

/// The slots of a worker, and who waits to have them all.
pub(crate) struct Solitude {
    free: Arc<Semaphore>,
    slots: u32,
    /// One after the other, in the order in which they asked: two that waited for each other's slot would wait for ever.
    turn: Arc<Mutex<()>>,
    waiting: AtomicUsize,
}

/// All the slots, and the turn.
pub(crate) struct Alone {
    pub(crate) slots: OwnedSemaphorePermit,
    /// Kept until the attempt is over: the next one's patience with the others begins then.
    pub(crate) turn: OwnedMutexGuard<()>,
}

/// Counts who waits, however the wait ends.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Solitude {
    pub(crate) fn new(free: Arc<Semaphore>, slots: usize) -> Self {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        Self { free, slots, turn: Arc::default(), waiting: AtomicUsize::new(0) }
    }

    /// Whether nothing may be leased now, because someone waits for every slot.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until every slot is free; whoever calls has given its own back. What has not finished after 10 s is handed
    /// back. `None` if the worker has no slots any more, or if another runs alone for longer than that: then it is this
    /// one that is handed back, for a worker that is idle. May be dropped.
    pub(crate) async fn enter(&self, shared: &Shared, key: &LeaseKey) -> Option<Alone> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let Ok(turn) = tokio::time::timeout(REST_MAX, self.turn.clone().lock_owned()).await else {
            shared.held.set_aside(key);
            return None;
        };
        let mut all = std::pin::pin!(self.free.clone().acquire_many_owned(self.slots));
        let slots = match tokio::time::timeout(REST_MAX, &mut all).await {
            Ok(slots) => slots,
            Err(_) => {
                shared.held.set_aside_all_but(key);
                if let Err(error) = returner::run_once(shared, &shared.store).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the rest is handed back later");
                }
                all.await
            }
        };
        Some(Alone { slots: slots.ok()?, turn })
    }
}
