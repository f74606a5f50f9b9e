//! Room for one: an entry that several workers have died with runs alone in this one, so that nothing dies beside it
//! and its next crash is its own. In a fleet one worker at a time makes room, so that the others go on with all else.

use crate::lease::LeaseKey;
use crate::returner;
use crate::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// How long one waits for its turn, and the others may take to finish, before they are handed back. Not shorter: what
/// is handed back runs again from its beginning.
const REST_MAX: Duration = Duration::from_secs(10);
/// How many workers before it one waits for at most: a mark that never ends is a stranger's.
const AHEAD_MAX: u32 = 6;

/// The slots of a worker, and who waits to have them all.
pub(crate) struct Solitude {
    free: Arc<Semaphore>,
    slots: u32,
    /// One at a time: two that waited for each other's slot would wait for ever.
    turn: Arc<Mutex<()>>,
    /// Someone begins to make room: whoever waits for its turn is in the way.
    begins: Notify,
    waiting: AtomicUsize,
    waiting_for_fleet: AtomicUsize,
}

/// All the slots, and the turn.
pub(crate) struct Alone {
    pub(crate) slots: OwnedSemaphorePermit,
    /// Kept until the attempt is over: the next one's patience with the others begins then.
    pub(crate) turn: Turn,
}

/// The right to make room, in this worker and in the fleet.
pub(crate) struct Turn {
    _here: OwnedMutexGuard<()>,
    /// Since when the mark in Redis is this worker's; `None` if it did not wait for it any longer.
    marked_at: Option<Instant>,
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
        Self {
            free,
            slots,
            turn: Arc::default(),
            begins: Notify::new(),
            waiting: AtomicUsize::new(0),
            waiting_for_fleet: AtomicUsize::new(0),
        }
    }

    /// Whether nothing may be leased now, because someone waits for every slot.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether a slot is taken by what waits until no other worker makes room; the wait is bounded.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting_for_fleet.load(Ordering::Relaxed) > 0
    }

    /// Waits, in its slot, for its turn, then until every slot is free; what has not finished by then is handed back.
    /// `None` if the worker has no slots any more, or if another is before it for too long: then it is this one that is
    /// handed back, for another worker. May be dropped.
    pub(crate) async fn enter(&self, shared: &Shared, key: &LeaseKey, slot: OwnedSemaphorePermit) -> Option<Alone> {
        let here = tokio::select! {
            here = self.turn.clone().lock_owned() => Some(here),
            () = self.begins.notified() => None,
            () = tokio::time::sleep(REST_MAX) => None,
        };
        let Some(_here) = here else {
            shared.held.set_aside(key);
            return None;
        };
        self.waiting_for_fleet.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting_for_fleet);
        let turn = Turn { _here, marked_at: wait_for_fleet(shared).await };
        drop(waiting);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        drop(slot);
        self.begins.notify_waiters();
        let mut all = std::pin::pin!(self.free.clone().acquire_many_owned(self.slots));
        let slots = match tokio::time::timeout(REST_MAX, &mut all).await {
            Ok(slots) => slots,
            Err(_) => {
                shared.held.set_aside_all_but(key);
                if let Err(error) = returner::run_once(shared, &shared.store).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the rest is handed back later");
                }
                match tokio::time::timeout(REST_MAX, all).await {
                    Ok(slots) => slots,
                    // One that never awaits keeps its slot: then it is this one that goes elsewhere.
                    Err(_) => {
                        shared.held.set_aside(key);
                        self.leave(shared, turn).await;
                        return None;
                    }
                }
            }
        };
        Some(Alone { slots: slots.ok()?, turn })
    }

    /// The attempt is over: another worker may begin at once. What may be another's mark by now stays.
    pub(crate) async fn leave(&self, shared: &Shared, turn: Turn) {
        if turn.marked_at.is_some_and(|at| at.elapsed() < barred_for(shared))
            && let Err(error) = shared.store.end_solitude().await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "the next to run alone waits for the mark to end");
        }
    }
}

/// How long a worker that begins to make room bars the others: as long as that takes at most, and a lease.
fn barred_for(shared: &Shared) -> Duration {
    REST_MAX + shared.lease
}

/// Waits until no other worker makes room; answers since when it is this one. `None` if it is not to wait any longer.
async fn wait_for_fleet(shared: &Shared) -> Option<Instant> {
    let asked_at = Instant::now();
    while asked_at.elapsed() < barred_for(shared) * AHEAD_MAX {
        let since = Instant::now();
        match shared.store.begin_solitude(&shared.consumer, barred_for(shared)).await {
            Ok(true) => return Some(since),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot ask to make room yet"),
        }
        tokio::time::sleep(shared.lease / 10).await;
    }
    None
}
