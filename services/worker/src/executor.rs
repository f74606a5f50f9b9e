//! Runs leased entries to their ends: settle, retry, bury, park, hand back, or nothing if the lease is lost.

use crate::attempt::Attempt;
use crate::canceller;
use crate::ending::{Ended, Ending};
use crate::lease::LeaseKey;
use crate::metrics::{Loss, Return};
use crate::pause::Pause;
use crate::settler::Ready;
use crate::shared::Shared;
use crate::solitude::{Alone, Solitude};
use crate::traced::{self, TracedAttempt};
use proto_schemas::{EntryError, Kind, WorkEntry};
use redis_store::StoreError;
use redis_store::bury::Burial;
use redis_store::fetch::Fetched;
use redis_store::hand_back::Unfinished;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A leased entry and what it may use.
pub(crate) struct Leased {
    pub(crate) fetched: Fetched,
    pub(crate) slot: OwnedSemaphorePermit,
    /// Fires when its lease is lost.
    pub(crate) lost: CancellationToken,
}

/// What is known of an entry before it begins.
#[derive(Debug, Clone, Copy)]
enum Standing {
    /// It was not cancelled then.
    Sound(Instant),
    /// Its record stands: it must not begin.
    Cancelled,
}

impl Standing {
    fn at(self) -> Instant {
        match self {
            Self::Sound(at) => at,
            Self::Cancelled => Instant::now(),
        }
    }
}

/// Runs what was leased.
pub(crate) struct Executor {
    shared: Arc<Shared>,
    settle: UnboundedSender<Ready>,
    solitude: Arc<Solitude>,
    unreadable: Arc<Semaphore>,
    executions: TaskTracker,
}

/// From so many crashes on an entry runs alone: the next crash may bury it.
const ALONE_FROM: u32 = proto_schemas::limit::CRASHES_MAX - 1;
/// How long an entry that this worker cannot run waits before another may see it, so that it does not spin.
const COMES_BACK_AFTER: Duration = Duration::from_secs(1);
/// Entries that wait to be handed back without taking the slots of those that can be run.
const UNREADABLE_MAX: usize = 256;

impl Executor {
    pub(crate) fn new(shared: Arc<Shared>, settle: UnboundedSender<Ready>, solitude: Arc<Solitude>) -> Self {
        let unreadable = Arc::new(Semaphore::new(UNREADABLE_MAX));
        Self { shared, settle, solitude, unreadable, executions: TaskTracker::new() }
    }

    /// What is running, to wait for.
    pub(crate) fn executions(&self) -> &TaskTracker {
        &self.executions
    }

    /// Runs each of `batch`, which is held, to its end; the slot of each is free when its outcome is on its way. What
    /// was cancelled while it waited does not begin: asks what was, unless it is known that at `sound_at` nothing was.
    pub(crate) fn start(self: &Arc<Self>, batch: Vec<Leased>, sound_at: Option<Instant>) {
        if batch.is_empty() {
            return;
        }
        let executor = self.clone();
        self.executions.spawn(async move {
            let batch = match sound_at {
                Some(at) => batch.into_iter().map(|leased| (Standing::Sound(at), leased)).collect(),
                None => executor.ask(batch).await,
            };
            let mut batch = batch.into_iter();
            let first = batch.next();
            for (standing, leased) in batch {
                let executor = executor.clone();
                executor.executions.clone().spawn(async move { executor.execute(leased, standing).await });
            }
            // The most urgent: on a single thread, what is spawned last would go before it.
            if let Some((standing, leased)) = first {
                executor.execute(leased, standing).await;
            }
        });
    }

    async fn ask(&self, batch: Vec<Leased>) -> Vec<(Standing, Leased)> {
        let entries: Vec<&WorkEntry> = batch.iter().filter_map(|leased| leased.fetched.entry.as_ref().ok()).collect();
        let mut cancelled = canceller::cancelled_in_time(&self.shared, &entries).await.into_iter();
        let answered_at = Instant::now();
        let mut standing = |leased: &Leased| {
            let is_cancelled = leased.fetched.entry.is_ok() && cancelled.next().unwrap_or(false);
            if is_cancelled { Standing::Cancelled } else { Standing::Sound(answered_at) }
        };
        batch.into_iter().map(|leased| (standing(&leased), leased)).collect()
    }

    async fn execute(&self, leased: Leased, standing: Standing) {
        let Leased { fetched, slot, lost } = leased;
        let key = LeaseKey { stream: fetched.stream, entry_id: fetched.entry_id };
        match fetched.entry {
            Ok(entry) => match self.shared.handlers.get(&entry.kind) {
                Some(handler) => {
                    let metrics = self.shared.metrics_of(&entry.kind);
                    let (entry, asked_at) = (Arc::new(entry), standing.at());
                    let traced = TracedAttempt::of(&entry);
                    let attempt = Arc::new(Attempt { entry, handler, key, lost, asked_at, metrics, traced });
                    match standing {
                        Standing::Cancelled => self.record(&attempt, Ended::Cancelled, slot),
                        _ if attempt.entry.crashes >= ALONE_FROM => self.run_alone(attempt, slot).await,
                        Standing::Sound(_) => self.run(&attempt, slot).await,
                    }
                }
                None => self.park(&key, &entry).await,
            },
            Err(EntryError::Newer(version)) => self.hand_back(&key, version, &lost, slot).await,
            Err(malformed) => self.bury(&key, &malformed, &lost, slot),
        }
    }

    async fn run(&self, attempt: &Arc<Attempt>, slot: OwnedSemaphorePermit) {
        let entry = &attempt.entry;
        tracing::info!("[{}] Processing: {} (Task: {})", self.shared.worker_id, entry.description, entry.task_id);
        if let Some(ending) = attempt.run(&self.shared).await {
            let span = traced::recording(attempt.traced.map(|traced| traced.own), &attempt.key, &ending);
            self.send(&attempt.key, &attempt.lost, Ready { ending, slot, span });
        }
    }

    /// Runs it with every slot of this worker, and says so in Redis right before.
    async fn run_alone(&self, attempt: Arc<Attempt>, slot: OwnedSemaphorePermit) {
        tracing::warn!(subtask_id = %attempt.entry.subtask_id, crashes = attempt.entry.crashes, "is to run alone");
        let entered = tokio::select! {
            alone = self.solitude.enter(&self.shared, &attempt.key, slot) => alone,
            () = attempt.lost.cancelled() => None,
            () = self.shared.stopping.cancelled() => None, // it is held, so it will be handed back
        };
        let Some(Alone { slots, turn }) = entered else { return };
        if self.mark_alone(&attempt).await {
            self.run(&attempt, slots).await;
        }
        self.solitude.leave(&self.shared, turn).await;
    }

    /// Whether the lease still holds; however long Redis is away.
    async fn mark_alone(&self, attempt: &Attempt) -> bool {
        let Attempt { key: LeaseKey { stream, entry_id }, lost, .. } = attempt;
        let (shared, mut pause) = (&self.shared, Pause::new());
        loop {
            let marked = lost.run_until_cancelled(shared.store.mark_alone(&shared.consumer, stream, entry_id)).await;
            match marked {
                None => return false,
                Some(Ok(true)) => return true,
                Some(Ok(false) | Err(StoreError::NoGroup(_))) => {
                    shared.metrics.lost(Loss::Taken, shared.held.lose(stream, [entry_id]));
                    return false;
                }
                Some(Err(error)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot mark what runs alone yet");
                    pause.wait(lost).await;
                }
            }
        }
    }

    /// An entry that must not begin ends without having run.
    fn record(&self, attempt: &Attempt, ended: Ended, slot: OwnedSemaphorePermit) {
        let ending = Ending::judge(&self.shared, attempt, ended);
        let span = traced::recording(attempt.traced.map(|traced| traced.parent), &attempt.key, &ending);
        self.send(&attempt.key, &attempt.lost, Ready { ending, slot, span });
    }

    fn send(&self, key: &LeaseKey, lost: &CancellationToken, ready: Ready) {
        if self.shared.held.settling(key, lost) && self.settle.send(ready).is_err() {
            self.shared.held.abandon([key]); // the settler is gone: the lease runs out and another attempt is made
        }
    }

    /// Lets an entry of a kind that is not served here wait for a worker that serves it.
    async fn park(&self, key: &LeaseKey, entry: &WorkEntry) {
        tracing::warn!(kind = %entry.kind, subtask_id = %entry.subtask_id, stream = %key.stream, "parking: no handler");
        let it = Unfinished { entry_id: key.entry_id.clone(), task_id: Some(entry.task_id.clone()) };
        if let Err(error) = self.shared.store.park(&self.shared.consumer, &key.stream, &[it], COMES_BACK_AFTER).await {
            tracing::error!(entry_id = key.entry_id, error = &error as &dyn std::error::Error, "cannot park yet");
            return self.shared.held.set_aside(key); // so that it is handed back when Redis answers, and is no crash
        }
        self.shared.metrics.given_back(Return::Parked, 1);
        self.shared.held.remove([key]);
    }

    /// Gives back what a newer Millstream wrote, after a pause: nobody here can say whose it is, so it cannot be
    /// parked.
    async fn hand_back(&self, key: &LeaseKey, version: u32, lost: &CancellationToken, slot: OwnedSemaphorePermit) {
        let _place = self.unreadable.try_acquire().map_err(|_| slot); // its own place, else that slot
        tokio::select! {
            () = tokio::time::sleep(COMES_BACK_AFTER) => {}
            () = self.shared.stopping.cancelled() => {}
            () = lost.cancelled() => return,
        }
        tracing::warn!(entry_id = key.entry_id, stream = %key.stream, version, "handing back what is too new");
        let it = Unfinished { entry_id: key.entry_id.clone(), task_id: None };
        if let Err(error) = self.shared.store.hand_back(&self.shared.consumer, &key.stream, &[it]).await {
            tracing::error!(entry_id = key.entry_id, error = &error as &dyn std::error::Error, "cannot hand back yet");
            return self.shared.held.set_aside(key); // so that it is handed back when Redis answers, and is no crash
        }
        self.shared.metrics.given_back(Return::HandedBack, 1);
        self.shared.held.remove([key]);
    }

    fn bury(&self, key: &LeaseKey, malformed: &EntryError, lost: &CancellationToken, slot: OwnedSemaphorePermit) {
        let burial = Burial {
            stream: key.stream.clone(),
            entry_id: key.entry_id.clone(),
            owner: None,
            reason: Kind::new("malformed").expect("a valid kind"),
            error: malformed.to_string(),
        };
        self.send(key, lost, Ready { ending: Ending::Bury(burial), slot, span: None });
    }
}
