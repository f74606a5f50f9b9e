//! The tailer. Somebody who listens wakes it; it reads the log from its end on, over a connection of its own, and hands
//! what it reads to the hub; it stops a while after nobody listens any more. It writes nothing. Without Redis it tries
//! again from where it was: listeners wait and miss nothing. If the log was cut behind it meanwhile, or is another one,
//! it goes on from the end, and they begin again from where they were. If it dies, feeds stay open and silent.

use super::cursor::{EntryId, Position};
use super::hub::Hub;
use super::lookout::id;
use super::message::Message;
use super::replay;
use redis_store::tail::LogEntry;
use redis_store::{Store, StoreError};
use std::error::Error;
use std::time::Duration;

/// Entries of one read; each has at most 128 lines.
const ENTRIES_MAX: usize = 100;
/// Shorter than the time after which a silent connection counts as broken.
const BLOCK: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Reads for ever; drop it to stop.
pub async fn run(store: Store, hub: &Hub) {
    hub.wanted.notified().await;
    let tail = store.connect_again();
    let (mut pause, mut is_sure) = (Pause::default(), true);
    loop {
        let result = match hub.reading_from() {
            None => begin(&tail, hub).await,
            Some(_) if !hub.is_wanted() => {
                hub.wanted.notified().await;
                Ok(())
            }
            Some(after) if !is_sure => check(&tail, hub, after).await,
            Some(after) => run_once(&tail, hub, &after.to_string()).await,
        };
        is_sure = result.is_ok();
        match result {
            Ok(()) => pause = Pause::default(),
            Err(error) => pause.after(&error).await,
        }
    }
}

async fn begin(tail: &Store, hub: &Hub) -> Result<(), StoreError> {
    let last = tail.log_span().await?.last;
    hub.begin(Position::behind(id(&last)?));
    Ok(())
}

/// After an outage: is what comes behind `after` still all there?
async fn check(tail: &Store, hub: &Hub, after: EntryId) -> Result<(), StoreError> {
    let ends = tail.log_span().await?;
    if replay::is_cut(after, &ends)? {
        hub.skip(Position::behind(id(&ends.last)?));
    }
    Ok(())
}

async fn run_once(tail: &Store, hub: &Hub, after: &str) -> Result<(), StoreError> {
    let entries = tail.tail_log(after, ENTRIES_MAX, BLOCK).await?;
    let mut messages = Vec::new();
    let Some(position) = entries.iter().filter_map(|entry| read(entry, &mut messages)).last() else { return Ok(()) };
    hub.publish(messages, position);
    Ok(())
}

/// Adds the messages of an entry, and says where it ends.
pub fn read(entry: &LogEntry, messages: &mut Vec<Message>) -> Option<Position> {
    let id = entry.entry_id.parse().ok()?;
    let mut end = None;
    for (line, text) in (0..).zip(entry.lines()) {
        let position = Position { entry: id, line };
        messages.extend(Message::read(position, text));
        end = Some(position);
    }
    end
}

/// How long to wait after one error and the next.
pub struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Pause {
    /// Waits, and tells what nobody else tells: the watcher of the connection has told an outage.
    pub async fn after(&mut self, error: &StoreError) {
        if !error.is_transient() {
            let error: &(dyn Error + 'static) = error;
            tracing::warn!(error, "the log cannot be followed");
        }
        tokio::time::sleep(self.0.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}
