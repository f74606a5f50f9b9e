//! The feed: what happens to tasks, told to whoever listens, while it happens.
//!
//! The facts are those of the log. One [`tailer`] reads it for all, and only while somebody listens; the [`hub`] hands
//! on what it reads to its [`audience`], by task; a [`listener`] first sends what the log holds behind the place where
//! its client was ([`replay`], or the [`ring`] for what is new), then what it is told. Places are those of the log
//! ([`cursor`]), so a client goes on at any orchestrator. That a task has ended is no fact: the [`lookout`] sees it,
//! all tasks of a moment at once. Nobody waits for a listener, and no listener costs Redis anything while it only
//! listens.

mod audience;
pub mod cursor;
mod hub;
mod listener;
mod lookout;
mod message;
pub mod name;
mod replay;
mod ring;
mod seats;
mod tailer;
pub mod waiting;
mod watches;

use crate::auth::Client;
use crate::refusal::Refusal;
use audience::Interest;
use bytes::Bytes;
use cursor::{Cursor, Position};
use hub::{Hub, Subscription};
use listener::Listener;
use name::Names;
use proto_schemas::TaskId;
use redis_store::Store;
use seats::{Seat, Seats};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Chunks that wait to be written to one client.
const CHUNKS_MAX: usize = 4;
/// How many listeners read the log by themselves at the same time.
const REPLAYS_MAX: usize = 8;

/// How many may listen, and what they are told when there is nothing to tell.
#[derive(Debug, Clone, Copy)]
pub struct FeedSettings {
    /// Listeners and waiting requests together.
    pub streams_max: usize,
    /// How long nothing is sent at most.
    pub keep_alive: Duration,
    /// After how long a stream ends, so that whoever follows has to show again that they may; never without it.
    pub life: Option<Duration>,
}

/// The feed of one server.
pub struct Feed {
    store: Store,
    hub: Arc<Hub>,
    seats: Arc<Seats>,
    replays: Semaphore,
    keep_alive: Duration,
    life: Option<Duration>,
    shutdown: CancellationToken,
}

/// What a client is answered.
pub enum Opened {
    /// The frames, as they come.
    Stream(mpsc::Receiver<Bytes>),
    /// It has been told the end.
    Over,
}

impl Feed {
    /// A feed nobody listens to yet; all who do are let go at `shutdown`.
    pub fn new(store: Store, settings: FeedSettings, shutdown: CancellationToken) -> Self {
        let FeedSettings { streams_max, keep_alive, life } = settings;
        Self {
            store,
            hub: Arc::default(),
            seats: Seats::new(streams_max),
            replays: Semaphore::new(REPLAYS_MAX),
            keep_alive,
            life,
            shutdown,
        }
    }

    /// Reads the log while somebody listens; drop it to stop.
    pub async fn run(&self) {
        let lookout = lookout::run(self.store.clone(), &self.hub);
        tokio::join!(tailer::run(self.store.clone(), &self.hub), lookout);
    }

    /// The feed of a task: behind `after`, or from the task as it stands.
    pub async fn of_task(
        self: &Arc<Self>,
        client: &Client,
        task_id: TaskId,
        after: Option<Cursor>,
    ) -> Result<Opened, Refusal> {
        let after = match after {
            Some(Cursor::Ended) => return Ok(Opened::Over),
            Some(Cursor::After(position)) => Some(position),
            None => None,
        };
        let seat = self.seat_of(client).ok_or(Refusal::TooManyStreams)?;
        let interest = Interest { task_id: Some(task_id.clone()), names: Names::all(), changes: false };
        let subscription = self.hub.subscribe(interest.clone()).await;
        let seen = replay::seen(&self.store).await?;
        let view = self.store.task(&task_id).await?.ok_or(Refusal::TaskNotFound)?;
        let (out, frames) = mpsc::channel(CHUNKS_MAX);
        let listener = Listener::new(self.clone(), interest, after.unwrap_or_default(), out.clone());
        let mut listener = listener.born(view.task.created_at_ms);
        let mut over = listener.send(message::RETRY.into()).await.is_err();
        if after.is_none() {
            over |= listener.show("snapshot", view, seen).await.is_err();
        }
        if !over {
            self.spawn(listener, subscription, seat, out);
        }
        Ok(Opened::Stream(frames))
    }

    /// The feed of all tasks: behind `after`, or from now on.
    pub async fn of_all(
        self: &Arc<Self>,
        client: &Client,
        names: Names,
        after: Option<Position>,
    ) -> Result<Opened, Refusal> {
        let seat = self.seat_of(client).ok_or(Refusal::TooManyStreams)?;
        let interest = Interest { task_id: None, names, changes: false };
        let subscription = self.hub.subscribe(interest.clone()).await;
        let last = after.unwrap_or_else(|| self.hub.position());
        let (out, frames) = mpsc::channel(CHUNKS_MAX);
        let mut listener = Listener::new(self.clone(), interest, last, out.clone());
        // With a place from the start, so that whoever is cut off before the first fact misses none.
        let opening = message::RETRY.to_owned() + &message::keep_alive(last);
        if listener.send(opening.into()).await.is_ok() {
            self.spawn(listener, subscription, seat, out);
        }
        Ok(Opened::Stream(frames))
    }

    /// How many listen and wait.
    pub fn open_count(&self) -> usize {
        self.seats.taken_count()
    }

    fn seat_of(&self, client: &Client) -> Option<Seat> {
        self.seats.take((!client.is_anonymous()).then_some(client.name.as_str()))
    }

    fn spawn(&self, listener: Listener, subscription: Subscription, seat: Seat, out: mpsc::Sender<Bytes>) {
        let (shutdown, life) = (self.shutdown.clone(), self.life);
        let over = async move {
            match life {
                Some(life) => tokio::time::sleep(life).await,
                None => std::future::pending().await,
            }
        };
        tokio::spawn(async move {
            let _seat = seat;
            tokio::select! {
                () = over => {}
                () = listener.run(subscription) => {}
                () = out.closed() => {}
                () = shutdown.cancelled() => {}
            }
        });
    }
}
