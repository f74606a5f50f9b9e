//! Leases work. Woken by a free slot, and when there is no work by the bell (at latest after 2 s). It reads the four
//! streams of each queue by their shares, never more than there are free slots, and hands each entry to an execution.
//! After an idle wait it takes one entry, and twice as many after each full read, asking the bell in between, so that
//! a small burst spreads over the replicas. A lost reply leaves entries pending under this consumer: after an error the
//! history is read once and what is not held is run.

use crate::executor::{Shared, execute};
use crate::held::LeaseKey;
use crate::pause::Pause;
use futures::future::join_all;
use proto_schemas::{Priority, QueueName};
use redis_store::fetch::Fetched;
use redis_store::settle::Settlement;
use redis_store::{Store, StoreError, Stream};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use task_core::Shares;
use task_core::share::WEIGHTS;
use telemetry::Pulse;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long an idle worker waits before it looks by itself: what a lost bell costs.
const BELL_WAIT: Duration = Duration::from_secs(2);
/// Entries of one page of the history.
const HISTORY_PAGE: usize = 100;

pub(crate) struct Fetcher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) bell: Store,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) slots: usize,
    pub(crate) settle: mpsc::Sender<Settlement>,
    pub(crate) executions: TaskTracker,
    pub(crate) pulse: Pulse,
    /// Streams whose key holds something else.
    pub(crate) stopped: Mutex<HashSet<Stream>>,
}

/// How the next read is made.
#[derive(Clone, Copy, PartialEq)]
enum Appetite {
    /// After an idle wait, and growing: entries to take, asking the bell first.
    Growing(usize),
    /// There is more work than slots: as many as there are free slots.
    Full,
}

impl Fetcher {
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let free = Arc::new(Semaphore::new(self.slots));
        let mut shares: Vec<Shares> = self.queues.iter().map(|_| Shares::new(WEIGHTS)).collect();
        let (mut appetite, mut pause, mut history_unread) = (Appetite::Growing(1), Pause::new(), true);
        let mut wait = Duration::ZERO;
        while !shutdown.is_cancelled() {
            let Some(slot) = self.free_slot(&free, &shutdown).await else { return };
            let answer = match (history_unread, wait) {
                (true, _) => self.read_history(&free, &shutdown).await.map(|()| None),
                (false, Duration::ZERO) => self.run_once(&mut shares, appetite, slot, &free).await.map(Some),
                (false, limit) => match shutdown.run_until_cancelled(self.bell.wait_bell(&self.queues, limit)).await {
                    Some(Ok(_)) => self.run_once(&mut shares, appetite, slot, &free).await.map(Some),
                    Some(Err(error)) => Err(error),
                    None => return,
                },
            };
            match answer {
                Ok(None) => history_unread = false,
                Ok(Some(read)) => (appetite, wait) = self.next(appetite, read).await,
                Err(error) => {
                    history_unread = true;
                    self.mend(error, &mut pause, &shutdown).await;
                    continue;
                }
            }
            pause.over();
            self.pulse.beat();
        }
    }

    /// Reads once and starts what came; answers how many were asked for and how many came.
    async fn run_once(
        &self,
        shares: &mut [Shares],
        appetite: Appetite,
        slot: OwnedSemaphorePermit,
        free: &Arc<Semaphore>,
    ) -> Result<(usize, usize), StoreError> {
        let wanted = match appetite {
            // One of each priority, in one command, where there is room for that.
            Appetite::Growing(1) => Priority::ALL.len(),
            Appetite::Growing(count) => count,
            Appetite::Full => self.slots,
        };
        let mut slots = slot;
        let more = wanted.saturating_sub(1).min(free.available_permits());
        if let Ok(others) = free.clone().try_acquire_many_owned(more as u32) {
            slots.merge(others);
        }
        let asked = if appetite == Appetite::Growing(1) { 1 } else { slots.num_permits() };
        let (mut came, mut failed) = (0, None);
        for (queue, shares) in self.queues.iter().zip(shares) {
            let room = slots.num_permits();
            let sent_at = Instant::now();
            let (got, error) = match appetite {
                _ if room == 0 => break,
                Appetite::Growing(1) if room >= Priority::ALL.len() => self.read_one_of_each(queue, shares).await,
                _ => self.read_queue(queue, shares, room.min(wanted)).await,
            };
            came += got.len();
            failed = failed.or(error);
            for fetched in got {
                if let Some(slot) = slots.split(1) {
                    self.start(fetched, slot, sent_at);
                }
            }
        }
        failed.map_or(Ok((asked, came)), Err)
    }

    /// Leases at most one entry of each priority in one command.
    async fn read_one_of_each(&self, queue: &QueueName, shares: &mut Shares) -> (Vec<Fetched>, Option<StoreError>) {
        match self.shared.store.fetch(&self.shared.consumer, &Stream::of(queue), 1).await {
            Ok(got) => (got, None),
            Err(StoreError::WrongType(_)) => self.read_queue(queue, shares, 1).await,
            Err(error) => (Vec::new(), Some(error)),
        }
    }

    /// Leases at most `room` entries by the shares of the priorities; what one leaves unused moves on at once. Answers
    /// what came, and the first error beside it: what is leased must run whatever happened to the other reads.
    async fn read_queue(
        &self,
        queue: &QueueName,
        shares: &mut Shares,
        room: usize,
    ) -> (Vec<Fetched>, Option<StoreError>) {
        let streams = Stream::of(queue);
        let (mut open, mut got, mut failed) = ([true; 4], Vec::new(), None);
        while got.len() < room && open.contains(&true) && failed.is_none() {
            let quotas = shares.quotas_among(room - got.len(), open);
            let reads = streams.iter().zip(quotas).map(|(stream, quota)| self.read_stream(stream, quota));
            for (at, read) in join_all(reads).await.into_iter().enumerate() {
                match read {
                    Ok(read) => {
                        open[at] &= quotas[at] == 0 || read.len() == quotas[at];
                        got.extend(read);
                    }
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        got.sort_by_key(|fetched| fetched.stream.priority);
        (got, failed)
    }

    async fn read_stream(&self, stream: &Stream, count: usize) -> Result<Vec<Fetched>, StoreError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        self.unless_wrong_type(
            stream,
            self.shared.store.fetch(&self.shared.consumer, std::slice::from_ref(stream), count).await,
        )
    }

    /// A stream whose key holds something else is left alone, with one alarm, until a person has mended it.
    fn unless_wrong_type(
        &self,
        stream: &Stream,
        read: Result<Vec<Fetched>, StoreError>,
    ) -> Result<Vec<Fetched>, StoreError> {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Err(StoreError::WrongType(_)) => {
                if stopped.insert(stream.clone()) {
                    tracing::error!(%stream, "this key holds a value of another type: not reading it until it is mended");
                }
                Ok(Vec::new())
            }
            Ok(read) => {
                if stopped.remove(stream) {
                    tracing::info!(%stream, "reading it again");
                }
                Ok(read)
            }
            Err(error) => Err(error),
        }
    }

    fn start(&self, fetched: Fetched, slot: OwnedSemaphorePermit, leased_at: Instant) {
        let key = LeaseKey { stream: fetched.stream.clone(), entry_id: fetched.entry_id.clone() };
        let entry = fetched.entry.as_ref().ok();
        let Some(lost) = self.shared.held.insert(key, entry.cloned().map(Arc::new), leased_at) else { return };
        if let Some(entry) = entry {
            let worker = &self.shared.worker_id;
            tracing::info!("[{worker}] Processing: {} (Task: {})", entry.description, entry.task_id);
        }
        self.executions.spawn(execute(self.shared.clone(), fetched, slot, self.settle.clone(), lost));
    }

    /// What the next read takes, and how long it may wait for the bell first.
    async fn next(&self, appetite: Appetite, (asked, came): (usize, usize)) -> (Appetite, Duration) {
        match appetite {
            _ if came == 0 => {
                // Tokens that nobody waited for would wake this worker for nothing: forget them, then look once more.
                if appetite == Appetite::Full {
                    for queue in &self.queues {
                        let _ = self.shared.store.hush_bell(queue).await; // costs an empty read at worst
                    }
                    return (Appetite::Growing(1), Duration::ZERO);
                }
                (Appetite::Growing(1), BELL_WAIT)
            }
            _ if came < asked => (Appetite::Growing(1), BELL_WAIT),
            Appetite::Growing(count) if count * 2 < self.slots => (Appetite::Growing(count * 2), BELL_WAIT),
            Appetite::Growing(_) | Appetite::Full => (Appetite::Full, Duration::ZERO),
        }
    }

    /// Runs what is pending under this consumer and not held: entries of a reply that never came.
    async fn read_history(&self, free: &Arc<Semaphore>, shutdown: &CancellationToken) -> Result<(), StoreError> {
        for stream in self.queues.iter().flat_map(Stream::of) {
            let mut after = "0".to_owned();
            loop {
                let sent_at = Instant::now();
                let consumer = &self.shared.consumer;
                let page = self.shared.store.fetch_unanswered(consumer, &stream, HISTORY_PAGE, &after).await;
                let page = self.unless_wrong_type(&stream, page)?;
                let Some(last) = page.last() else { break };
                after = last.entry_id.clone();
                for fetched in page {
                    let Some(slot) = self.free_slot(free, shutdown).await else { return Ok(()) };
                    self.start(fetched, slot, sent_at);
                }
            }
        }
        Ok(())
    }

    /// Waits for a free slot; a worker whose slots are all taken is at work, so its pulse goes on.
    async fn free_slot(&self, free: &Arc<Semaphore>, shutdown: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        loop {
            tokio::select! {
                slot = free.clone().acquire_owned() => return slot.ok(),
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep(Duration::from_secs(1)) => self.pulse.beat(),
            }
        }
    }

    async fn mend(&self, error: StoreError, pause: &mut Pause, shutdown: &CancellationToken) {
        match error {
            StoreError::NoGroup(_) => {
                tracing::warn!("a consumer group is missing; creating it from its first entry on");
                for queue in &self.queues {
                    if let Err(error) = self.shared.store.create_worker_groups(queue).await {
                        tracing::warn!(error = &error as &dyn std::error::Error, "cannot create groups yet");
                    }
                }
            }
            error if error.is_transient() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot fetch yet");
            }
            error => tracing::error!(error = &error as &dyn std::error::Error, "cannot fetch: a person must look"),
        }
        pause.wait(shutdown).await;
    }
}

/// For the log line of a start: the streams a worker reads.
pub(crate) fn streams_of(queues: &[QueueName]) -> String {
    let all = Priority::ALL.iter().map(Priority::to_string).collect::<Vec<_>>().join(",");
    queues.iter().map(|queue| format!("subtasks:{queue}:{{{all}}}")).collect::<Vec<_>>().join(" ")
}
