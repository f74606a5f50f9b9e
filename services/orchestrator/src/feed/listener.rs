//! One who listens: first what the log holds behind the place where it was, then what is told from now on. What it has
//! sent last is all that it knows, so whatever befalls it, a queue that ran over or an outage of Redis, it begins again
//! from there.

use super::Feed;
use super::audience::{Interest, Told};
use super::cursor::{EntryId, Position};
use super::hub::Subscription;
use super::message::{self, Message};
use super::replay::{self, Page, Span};
use super::tailer::Pause;
use crate::wire::feed_message::ResetMessage;
use crate::wire::task::TaskDocument;
use bytes::Bytes;
use redis_store::StoreError;
use redis_store::read::TaskView;
use redis_store::tail::{LogSpan, TaskState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// What is sent together at most.
const MESSAGES_MAX: usize = 64;
/// A reader that takes nothing for so long is gone.
const TAKE: Duration = Duration::from_secs(30);
/// How far clocks of Redis may lie apart within one script, and then some.
const SLACK_MS: u64 = 1_000;

/// There is nothing more to send, or nobody to send it to.
pub struct Over;

/// One who listens.
pub struct Listener {
    feed: Arc<Feed>,
    interest: Interest,
    /// When its task was created; 0 for one that listens to all.
    born_ms: u64,
    last: Position,
    out: mpsc::Sender<Bytes>,
    sent_at: Instant,
}

impl Listener {
    /// One that has been told everything up to `last`.
    pub fn new(feed: Arc<Feed>, interest: Interest, last: Position, out: mpsc::Sender<Bytes>) -> Self {
        Self { feed, interest, born_ms: 0, last, out, sent_at: Instant::now() }
    }

    /// Knows when its task was created: nothing of it is older.
    pub fn born(mut self, born_ms: u64) -> Self {
        self.last = self.last.max(Position::behind(oldest(born_ms)));
        self.born_ms = born_ms;
        self
    }

    /// Sends until it is over.
    pub async fn run(mut self, mut subscription: Subscription) {
        loop {
            if self.follow(&mut subscription).await.is_err() {
                return;
            }
            drop(subscription);
            subscription = self.feed.hub.subscribe(self.interest.clone()).await;
        }
    }

    /// The task as it stands, under the name of `event`; with its end, after which it is over, if it has ended. Facts
    /// behind `seen`, which may not be seen in it, come after it.
    pub async fn show(&mut self, event: &str, view: TaskView, seen: Position) -> Result<(), Over> {
        let task = &view.task;
        let task_id = task.task_id.clone();
        let state = TaskState { status: task.status, revision: task.revision, finished_at_ms: task.finished_at_ms };
        self.last = seen.max(Position::behind(oldest(task.created_at_ms)));
        let mut text = message::frame(Some(&self.last.to_string()), event, &TaskDocument::of(view));
        let end = message::end(Some(&message::end_id(self.last)), &task_id, &state);
        text.extend(end.as_deref());
        self.send(text.into()).await?;
        if end.is_some() { Err(Over) } else { Ok(()) }
    }

    /// Sends as it is.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), Over> {
        self.sent_at = Instant::now();
        match timeout(TAKE, self.out.send(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Over),
        }
    }

    async fn follow(&mut self, subscription: &mut Subscription) -> Result<(), Over> {
        let joined_at = self.feed.hub.position();
        if let Some(task_id) = &self.interest.task_id {
            self.feed.hub.watch(task_id, joined_at.entry); // it may have ended before
        }
        self.catch_up(joined_at).await?;
        self.listen(subscription).await
    }

    /// Sends what was told up to `to`.
    async fn catch_up(&mut self, to: Position) -> Result<(), Over> {
        let mut pause = Pause::default();
        loop {
            if let Some(recent) = self.feed.hub.recent(&self.interest, self.last) {
                return self.send_all(recent.iter().map(Arc::as_ref)).await;
            }
            match self.replay(to).await {
                Ok(next) => match next? {
                    Some(next) => self.last = self.last.max(next),
                    None => {
                        self.last = self.last.max(to);
                        return Ok(());
                    }
                },
                Err(error) => {
                    pause.after(&error).await;
                    self.keep_alive().await?;
                }
            }
        }
    }

    /// Sends a page of the log, and says where the next one begins.
    async fn replay(&mut self, to: Position) -> Result<Result<Option<Position>, Over>, StoreError> {
        let task_id = self.interest.task_id.as_ref();
        let span = Span { after: self.last, to, born_ms: self.born_ms, task_id };
        let page = {
            let _turn = self.feed.replays.acquire().await;
            replay::page(&self.feed.store, span).await?
        };
        match page {
            Page::Messages { messages, next } => {
                let wanted = messages.iter().filter(|message| self.interest.wants(message));
                let wanted: Vec<&Message> = wanted.collect();
                Ok(self.send_all(wanted.into_iter()).await.map(|()| next))
            }
            Page::Lost(ends) => self.reset(ends).await,
        }
    }

    /// Says that what was behind `last` is lost, and begins again with what is there.
    async fn reset(&mut self, ends: LogSpan) -> Result<Result<Option<Position>, Over>, StoreError> {
        let sent = match self.interest.task_id.clone() {
            Some(task_id) => {
                let seen = replay::seen(&self.feed.store).await?;
                let Some(view) = self.feed.store.task(&task_id).await? else { return Ok(Err(Over)) };
                self.show("reset", view, seen).await
            }
            None => {
                self.last = replay::beginning(&ends)?;
                self.send(message::frame(None, "reset", &ResetMessage { oldest: ends.first }).into()).await
            }
        };
        Ok(sent.map(|()| Some(self.last)))
    }

    /// Sends what is told, until the queue has run over.
    async fn listen(&mut self, subscription: &mut Subscription) -> Result<(), Over> {
        let mut batch = Vec::with_capacity(MESSAGES_MAX);
        loop {
            match timeout(self.feed.keep_alive, subscription.told.recv_many(&mut batch, MESSAGES_MAX)).await {
                Ok(0) => return Ok(()),
                Ok(_) => self.take(&mut batch).await?,
                Err(_) => {
                    // First the place, then that nothing waits: so all up to the place has been sent.
                    let position = self.feed.hub.position();
                    if subscription.told.is_empty() {
                        self.last = self.last.max(position);
                    }
                    self.send(message::keep_alive(self.last).into()).await?;
                }
            }
        }
    }

    async fn take(&mut self, batch: &mut Vec<Told>) -> Result<(), Over> {
        let mut text = Vec::new();
        for told in batch.drain(..) {
            match told {
                Told::Message(message) if message.position > self.last => {
                    self.last = message.position;
                    text.extend_from_slice(message.frame());
                }
                Told::Message(_) => {}
                Told::State(told) => {
                    let (task_id, state) = &*told;
                    let is_mine = self.interest.task_id.is_some();
                    let id = is_mine.then(|| message::end_id(self.last));
                    let end = message::end(id.as_deref(), task_id, state);
                    text.extend_from_slice(end.as_deref().unwrap_or_default().as_bytes());
                    if is_mine && end.is_some() {
                        let _ = self.send(text.into()).await;
                        return Err(Over);
                    }
                }
                Told::Gone => return Err(Over),
            }
        }
        if text.is_empty() { Ok(()) } else { self.send(text.into()).await }
    }

    async fn send_all<'a>(&mut self, messages: impl Iterator<Item = &'a Message>) -> Result<(), Over> {
        let mut messages = messages.peekable();
        while messages.peek().is_some() {
            let mut text = Vec::new();
            for message in messages.by_ref().take(MESSAGES_MAX) {
                text.extend_from_slice(message.frame());
                self.last = message.position;
            }
            self.send(text.into()).await?;
        }
        Ok(())
    }

    async fn keep_alive(&mut self) -> Result<(), Over> {
        if self.sent_at.elapsed() < self.feed.keep_alive {
            return Ok(());
        }
        self.send(message::keep_alive(self.last).into()).await
    }
}

/// Older than every fact of a task that was created then.
fn oldest(born_ms: u64) -> EntryId {
    EntryId { ms: born_ms.saturating_sub(SLACK_MS), number: 0 }
}
