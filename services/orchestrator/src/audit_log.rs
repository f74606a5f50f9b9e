//! The audit of the API: who changed what, and what was refused to whom, as entries of the stream `audit`. Woken by
//! each change; writes what has come together meanwhile in one call, and goes on trying while Redis is away or full.
//! Answers do not wait for it: if the process dies, what it was about to write is lost; if Redis does not keep up, the
//! newest are dropped, and the log says how many. Of a client that is refused again and again not every refusal is
//! noted.

mod restraint;

use redis_store::Store;
use redis_store::note::{NOTES_MAX, Note};
use restraint::Restraint;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Notes that wait for Redis, some hundred bytes each: of sixteen of the largest batches at once.
const WAITING_MAX: usize = 16_384;

/// Between two tries, beside the store's own patience.
const PAUSE: Duration = Duration::from_millis(500);

/// Where notes are handed in.
pub struct AuditLog {
    sender: Sender<Note>,
    restraint: Restraint,
    lost: Arc<Lost>,
}

/// How many notes were not written.
#[derive(Debug, Default)]
pub struct Lost {
    /// Their client had as many refusals noted as may be.
    suppressed: AtomicU64,
    /// Redis did not keep up, or did not take them.
    dropped: AtomicU64,
}

impl AuditLog {
    /// The place to hand notes in, and the other end of it, for [`run`].
    pub fn new() -> (Self, Receiver<Note>) {
        let (sender, receiver) = channel(WAITING_MAX);
        (Self { sender, restraint: Restraint::default(), lost: Arc::default() }, receiver)
    }

    /// Hands in the note of a change; never waits.
    pub fn hand_in(&self, note: Note) {
        let suppressed = self.restraint.suppressed(&note.client);
        self.send(note, suppressed);
    }

    /// Hands in the note of a refusal, unless its client has had too many of them noted.
    pub fn hand_in_refusal(&self, note: Note) {
        match self.restraint.refusal(&note.client, Instant::now()) {
            Some(suppressed) => self.send(note, suppressed),
            None => {
                self.lost.suppressed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What is not written, for whoever counts it.
    pub fn lost(&self) -> Arc<Lost> {
        self.lost.clone()
    }

    fn send(&self, mut note: Note, suppressed: u64) {
        if suppressed > 0 {
            let space = if note.detail.is_empty() { "" } else { " " };
            note.detail += &format!("{space}suppressed={suppressed}");
        }
        if self.sender.try_send(note).is_err() && self.lost.count_dropped(1).is_power_of_two() {
            tracing::warn!(dropped = self.lost.dropped(), "the audit cannot keep up: notes are dropped");
        }
    }
}

impl Lost {
    /// Refusals of clients that were refused again and again.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    /// What Redis did not take.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// So many more were dropped; answers how many in all.
    fn count_dropped(&self, count: usize) -> u64 {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed) + count as u64
    }
}

/// Writes until the last place to hand notes in is gone.
pub async fn run(store: Store, mut notes: Receiver<Note>, lost: Arc<Lost>) {
    let mut batch = Vec::with_capacity(NOTES_MAX);
    while notes.recv_many(&mut batch, NOTES_MAX).await > 0 {
        loop {
            match store.note(&batch).await {
                Ok(()) => break,
                Err(error) if error.is_passing() => tokio::time::sleep(PAUSE).await, // the store has told of it
                Err(error) => {
                    lost.count_dropped(batch.len());
                    let error: &(dyn Error + 'static) = &error;
                    tracing::warn!(error, notes = batch.len(), "notes of the audit are dropped");
                    break;
                }
            }
        }
        batch.clear();
    }
}
