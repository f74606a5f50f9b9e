//! Leases from the streams of one or more queues, never more than it is told. Queues take turns at being first and get
//! equal parts; within a queue the priorities get theirs by weight; what one leaves unused moves on at once. A stream
//! whose key holds something else is left alone, with one alarm, until a person has mended it.

use crate::canceller::ASK_EVERY;
use crate::shared::Shared;
use futures::future::join_all;
use proto_schemas::{QueueName, TaskId};
use redis_store::fetch::Fetched;
use redis_store::{StoreError, Stream};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use task_core::Shares;
use task_core::share::{STREAMS, WEIGHTS};
use tokio::time::timeout;

/// What one read brought: all of it is leased and must run, whatever went wrong beside it.
pub(crate) struct Read {
    /// Most urgent first.
    pub(crate) fetched: Vec<Fetched>,
    /// Before its first command was sent.
    pub(crate) sent_at: Instant,
    /// The first error.
    pub(crate) failed: Option<StoreError>,
    /// No stream answered as much as it was asked for: there is no more.
    pub(crate) drained: bool,
    /// The tasks that were cancelled, asked for after the last entry came; `None` if that was not asked, not answered
    /// or are too many.
    cancelled: Option<HashSet<TaskId>>,
}

impl Read {
    fn new() -> Self {
        Self { fetched: Vec::new(), sent_at: Instant::now(), failed: None, drained: false, cancelled: None }
    }

    /// Whether nothing of it was cancelled when it came, as far as is known.
    pub(crate) fn is_sound(&self) -> bool {
        let entries = || self.fetched.iter().filter_map(|fetched| fetched.entry.as_ref().ok());
        let is_sound = |tasks: &HashSet<TaskId>| tasks.is_empty() || !entries().any(|it| tasks.contains(&it.task_id));
        self.cancelled.as_ref().is_some_and(is_sound)
    }
}

/// A read of at least this many does not come back for the rest: one round trip, and the next read has more room.
const ONE_ROUND_FROM: usize = 16;
/// As many cancelled tasks are read along with the work; where there are more, those of the work are asked for.
const CANCELLED_FEW: usize = 32;
/// Where there were more, reads do without for so long.
const CROWDED_FOR: Duration = Duration::from_secs(10);

/// One queue, most urgent first.
struct Queue {
    streams: [Stream; STREAMS],
    shares: Shares,
    /// Which streams had something when they were last asked.
    likely: [bool; STREAMS],
}

pub(crate) struct Reader {
    shared: Arc<Shared>,
    queues: Vec<Queue>,
    /// The queue that is first.
    turn: usize,
    /// Streams whose key holds something else.
    stopped: HashSet<Stream>,
    /// When there were too many cancelled tasks to read along.
    crowded_at: Option<Instant>,
}

impl Queue {
    fn new(name: &QueueName) -> Self {
        Self { streams: Stream::of(name), shares: Shares::new(WEIGHTS), likely: [true; STREAMS] }
    }
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, queues: &[QueueName]) -> Self {
        let queues = queues.iter().map(Queue::new).collect();
        Self { shared, queues, turn: 0, stopped: HashSet::new(), crowded_at: None }
    }

    /// Whether none of its streams can be read, because each key holds something else.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.len() == self.queues.len() * STREAMS
    }

    /// At most one entry of each stream, `room` in all: one command for as many streams of a queue as there is room.
    pub(crate) async fn sip(&mut self, room: usize) -> Read {
        let mut read = Read::new();
        for queue in self.next_turn() {
            let streams = self.queues[queue].streams.clone();
            let mut rest = &streams[..];
            while read.failed.is_none() && read.fetched.len() < room && !rest.is_empty() {
                let (some, later) = rest.split_at(rest.len().min(room - read.fetched.len()));
                rest = later;
                match self.shared.store.fetch(&self.shared.consumer, some, 1).await {
                    Ok(fetched) => {
                        some.iter().for_each(|stream| self.note_readable(stream));
                        read.fetched.extend(fetched);
                        read.cancelled = None;
                    }
                    Err(StoreError::WrongType(_)) => {
                        let quotas = some.iter().map(|stream| (stream.clone(), 1)).collect();
                        self.read_each(quotas, &mut read).await;
                    }
                    Err(error) => read.failed = Some(error),
                }
            }
        }
        read.fetched.sort_by_key(|fetched| fetched.stream.priority);
        read
    }

    /// At most `room` entries by shares. A small read goes on until `room` is filled or nothing is left. A large one is
    /// one round trip: streams that had nothing last time are asked for one entry each, the others share the rest.
    pub(crate) async fn fill(&mut self, room: usize) -> Read {
        let mut read = Read::new();
        let turns = self.next_turn();
        let one_round = room >= ONE_ROUND_FROM * self.queues.len();
        let mut open = vec![[true; STREAMS]; self.queues.len()];
        while read.failed.is_none() && read.fetched.len() < room && open.iter().flatten().any(|open| *open) {
            let takers: Vec<usize> = turns.iter().copied().filter(|queue| open[*queue].contains(&true)).collect();
            let (mut wanted, mut places) = (Vec::new(), Vec::new());
            let mut left = room - read.fetched.len();
            for (at, queue) in takers.iter().copied().enumerate() {
                let part = left.div_ceil(takers.len() - at);
                left -= part;
                for (rank, quota) in self.quotas(queue, part, open[queue], one_round).into_iter().enumerate() {
                    if quota > 0 {
                        wanted.push((self.queues[queue].streams[rank].clone(), quota));
                        places.push((queue, rank, quota));
                    }
                }
            }
            let came = self.read_each(wanted, &mut read).await;
            for ((queue, rank, quota), came) in places.into_iter().zip(came) {
                open[queue][rank] = came == quota;
                self.queues[queue].likely[rank] = came > 0;
            }
            if one_round {
                break;
            }
        }
        read.drained = !open.iter().flatten().any(|open| *open);
        read.fetched.sort_by_key(|fetched| fetched.stream.priority);
        read
    }

    /// How `part` is shared among the open streams of one queue.
    fn quotas(&mut self, queue: usize, part: usize, open: [bool; STREAMS], one_round: bool) -> [usize; STREAMS] {
        let Queue { shares, likely, .. } = &mut self.queues[queue];
        if !one_round || !likely.contains(&true) {
            return shares.quotas_among(part, open);
        }
        let probes = likely.iter().filter(|likely| !**likely).count();
        let mut quotas = shares.quotas_among(part - probes, *likely);
        for (quota, likely) in quotas.iter_mut().zip(*likely) {
            *quota += usize::from(!likely);
        }
        quotas
    }

    /// One page of what is pending under this consumer in `stream` after entry `after`.
    pub(crate) async fn read_unanswered(
        &mut self,
        stream: &Stream,
        count: usize,
        after: &str,
    ) -> Result<Vec<Fetched>, StoreError> {
        let page = self.shared.store.fetch_unanswered(&self.shared.consumer, stream, count, after).await;
        self.unless_wrong_type(stream, page)
    }

    /// Every stream, most urgent first within its queue.
    pub(crate) fn streams(&self) -> Vec<Stream> {
        self.queues.iter().flat_map(|queue| queue.streams.clone()).collect()
    }

    /// The queues in the order in which they may take this time.
    fn next_turn(&mut self) -> Vec<usize> {
        let count = self.queues.len();
        self.turn = (self.turn + 1) % count;
        (0..count).map(|at| (self.turn + at) % count).collect()
    }

    /// Leases from each stream at most as much as is wanted and asks then what was cancelled, in one round trip;
    /// answers how much came of each.
    async fn read_each(&mut self, wanted: Vec<(Stream, usize)>, read: &mut Read) -> Vec<usize> {
        let Shared { store, consumer, .. } = &*self.shared;
        let replies =
            join_all(wanted.iter().map(|(stream, count)| store.fetch(consumer, std::slice::from_ref(stream), *count)));
        let is_crowded = self.crowded_at.is_some_and(|at| at.elapsed() < CROWDED_FOR);
        let few = async {
            if is_crowded { None } else { timeout(ASK_EVERY, store.cancelled_if_few(CANCELLED_FEW)).await.ok() }
        };
        // In this order: what was cancelled before it was leased has to be among the answer.
        let (replies, cancelled) = tokio::join!(biased; replies, few);
        if let Some(Ok(None)) = cancelled {
            self.crowded_at = Some(read.sent_at);
        }
        read.cancelled = cancelled.and_then(Result::ok).flatten();
        let mut came = Vec::with_capacity(wanted.len());
        for ((stream, _), reply) in wanted.iter().zip(replies) {
            let fetched = self.unless_wrong_type(stream, reply).unwrap_or_else(|error| {
                read.failed.get_or_insert(error);
                Vec::new()
            });
            came.push(fetched.len());
            read.fetched.extend(fetched);
        }
        came
    }

    fn unless_wrong_type(
        &mut self,
        stream: &Stream,
        reply: Result<Vec<Fetched>, StoreError>,
    ) -> Result<Vec<Fetched>, StoreError> {
        match reply {
            Err(StoreError::WrongType(_)) => {
                if self.stopped.insert(stream.clone()) {
                    tracing::error!(%stream, "this key holds a value of another type: not reading it until it is mended");
                }
                Ok(Vec::new())
            }
            Ok(fetched) => {
                self.note_readable(stream);
                Ok(fetched)
            }
            Err(error) => Err(error),
        }
    }

    fn note_readable(&mut self, stream: &Stream) {
        if self.stopped.remove(stream) {
            tracing::info!(%stream, "reading it again");
        }
    }
}
