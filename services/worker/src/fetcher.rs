//! Leases work. Woken by a free slot, and when there is no work by the bell (at latest after 2 s). It reads the streams
//! by their shares, never more than there are free slots, and hands each entry to an execution. A lost reply leaves
//! entries pending under this consumer: after an error the history is read once and what is not held is run. If the
//! process dies between the read and the execution, the lease runs out and the entry is added again.

use crate::appetite::{Appetite, Before};
use crate::bell::Bell;
use crate::canceller::ASK_EVERY;
use crate::executor::{Executor, Leased};
use crate::history;
use crate::lease::LeaseKey;
use crate::pause::Pause;
use crate::reader::{Read, Reader};
use crate::renewer::FENCED_AFTER;
use crate::settler::Ready;
use crate::shared::Shared;
use crate::solitude::Solitude;
use crate::turn::give_way;
use crate::worker::set_up;
use proto_schemas::{Priority, QueueName};
use redis_store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Pulse;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

pub(crate) struct Fetcher {
    shared: Arc<Shared>,
    queues: Vec<QueueName>,
    slots: usize,
    free: Arc<Semaphore>,
    solitude: Arc<Solitude>,
    reader: Reader,
    bell: Bell,
    executor: Arc<Executor>,
    pulse: Pulse,
    /// Entries may be pending here that nobody knows of.
    history_unread: bool,
}

impl Fetcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        queues: Vec<QueueName>,
        slots: usize,
        settle: UnboundedSender<Ready>,
        pulse: Pulse,
    ) -> Self {
        let free = Arc::new(Semaphore::new(slots));
        let solitude = Arc::new(Solitude::new(free.clone(), slots));
        Self {
            reader: Reader::new(shared.clone(), &queues),
            bell: Bell::new(shared.clone(), queues.clone()),
            executor: Arc::new(Executor::new(shared.clone(), settle, solitude.clone())),
            free,
            solitude,
            history_unread: true,
            shared,
            queues,
            slots,
            pulse,
        }
    }

    /// Leases until the worker stops; answers the executions that are still running.
    pub(crate) async fn run(mut self) -> TaskTracker {
        let (mut appetite, mut before, mut pause) = (Appetite::Sip, Before::Nothing, Pause::new());
        // A slot first: whoever waits at the bell without one takes a token that another could have used.
        while let Some(slot) = self.free_slot().await {
            match before {
                Before::Nothing => {}
                Before::HushBell => self.bell.hush().await,
                Before::WaitBell(limit) => self.bell.wait(limit).await,
            }
            if self.shared.stopping.is_cancelled() {
                break;
            }
            if self.solitude.is_wanted() {
                before = Before::Nothing;
                continue; // its slot is waited for, and what it would lease would have to be handed back
            }
            let done = match self.history_unread {
                true => self.run_history(slot).await.map(|()| (appetite, Before::Nothing)),
                false => self.run_once(slot, appetite).await,
            };
            match done {
                Ok(next) => {
                    if before == Before::HushBell && next.0 != Appetite::Sip {
                        self.bell.pass_on().await;
                    }
                    (appetite, before) = next;
                    pause.over();
                    if !self.reader.is_stopped() {
                        self.pulse.beat();
                    }
                }
                Err(error) => {
                    self.history_unread = true;
                    before = Before::Nothing;
                    self.mend(error, &mut pause).await;
                }
            }
        }
        self.bell.close();
        self.executor.executions().clone()
    }

    /// Reads once and starts what came; answers how to go on.
    async fn run_once(
        &mut self,
        slot: OwnedSemaphorePermit,
        appetite: Appetite,
    ) -> Result<(Appetite, Before), StoreError> {
        let wanted = match appetite {
            Appetite::Sip => Priority::ALL.len(),
            Appetite::Growing(count) => count,
            Appetite::Full => self.slots,
        };
        let mut slots = slot;
        if appetite == Appetite::Full {
            give_way().await; // executions that have ended give their slots back first
        }
        let more = self.free.available_permits().min(wanted.saturating_sub(1));
        if let Ok(others) = self.free.clone().try_acquire_many_owned(u32::try_from(more).unwrap_or(u32::MAX)) {
            slots.merge(others);
        }
        let room = slots.num_permits();
        let (read, asked) = match appetite {
            Appetite::Sip => (self.reader.sip(room).await, 1),
            Appetite::Growing(_) | Appetite::Full => {
                let read = self.reader.fill(room).await;
                let asked = if read.drained { room } else { read.fetched.len() };
                (read, asked)
            }
        };
        let came = read.fetched.len();
        self.start(read, slots)?;
        Ok(appetite.after(asked, came, self.slots))
    }

    /// Starts what was read, each in its slot, then tells what went wrong beside it.
    fn start(&mut self, read: Read, mut slots: OwnedSemaphorePermit) -> Result<(), StoreError> {
        if read.sent_at.elapsed() >= self.shared.lease.mul_f64(FENCED_AFTER) {
            self.history_unread = true; // someone else may have it by now: ask what is still ours
            return read.failed.map_or(Ok(()), Err);
        }
        let is_sound = read.is_sound() && read.sent_at.elapsed() < ASK_EVERY; // an older answer is asked for again
        let sound_at = is_sound.then_some(read.sent_at);
        let mut leased = Vec::with_capacity(read.fetched.len());
        for fetched in read.fetched {
            let Some(slot) = slots.split(1) else {
                self.history_unread = true; // more than was asked for
                break;
            };
            let key = LeaseKey { stream: fetched.stream.clone(), entry_id: fetched.entry_id.clone() };
            let task_id = fetched.entry.as_ref().ok().map(|entry| entry.task_id.clone());
            if let Some(lost) = self.shared.held.insert(key, task_id, read.sent_at) {
                leased.push(Leased { fetched, slot, lost });
            }
        }
        self.executor.start(leased, sound_at);
        read.failed.map_or(Ok(()), Err)
    }

    /// Runs what is pending under this consumer and not held: entries of a reply that never came.
    async fn run_history(&mut self, slot: OwnedSemaphorePermit) -> Result<(), StoreError> {
        let mut found = Vec::new();
        let read = history::read(&self.shared, &mut self.reader, &mut found).await;
        self.history_unread = read.is_err();
        let mut slot = Some(slot);
        for (fetched, lost) in found {
            let slot = match slot.take() {
                Some(slot) => slot,
                None => match self.free_slot().await {
                    Some(slot) => slot,
                    None => break, // it is held, so it will be handed back
                },
            };
            self.executor.start(vec![Leased { fetched, slot, lost }], None);
        }
        read
    }

    /// Waits for a free slot, or for the end. A worker whose slots are all taken is at work, so its pulse goes on;
    /// unless they are all taken by outcomes that Redis does not take.
    async fn free_slot(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            tokio::select! {
                biased;
                () = self.shared.stopping.cancelled() => return None,
                slot = self.free.clone().acquire_owned() => return slot.ok(),
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    if self.shared.held.count_running() > 0 || self.solitude.is_waited_for() {
                        self.pulse.beat();
                    }
                }
            }
        }
    }

    async fn mend(&self, error: StoreError, pause: &mut Pause) {
        match error {
            StoreError::NoGroup(_) => {
                tracing::warn!("a consumer group is missing; creating it from its first entry on");
                match set_up(&self.shared, &self.queues).await {
                    Ok(held_ms) if held_ms == self.shared.lease.as_millis() as u64 => {}
                    Ok(held_ms) => {
                        tracing::error!(held_ms, "another LEASE_MS holds in this Redis now: stop one of them")
                    }
                    Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot create groups yet"),
                }
            }
            error if error.is_transient() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot fetch yet");
            }
            error => tracing::error!(error = &error as &dyn std::error::Error, "cannot fetch: a person must look"),
        }
        pause.wait(&self.shared.stopping).await;
    }
}
