//! The audit of the API: who changed what, and what was refused to whom, as entries of the stream `audit`. Woken by each
//! change; writes what has come together meanwhile in one call, and goes on trying while Redis is away or full. Answers do not wait
//! for it: if the process dies, what it was about to write is lost; if Redis does not keep up, the newest are dropped, and the
//! log says how many.

use redis_store::Store;
use redis_store::note::{NOTES_MAX, Note};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Notes that wait for Redis, some hundred bytes each: of sixteen of the largest batches at once.
const WAITING_MAX: usize = 16_384;

/// Between two tries, beside the store's own patience.
const PAUSE: Duration = Duration::from_millis(500);

/// Where notes are handed in.
pub struct AuditLog {
    sender: Sender<Note>,
    dropped: AtomicU64,
}

impl AuditLog {
    /// The place to hand notes in, and the other end of it, for [`run`].
    pub fn new() -> (Self, Receiver<Note>) {
        let (sender, receiver) = channel(WAITING_MAX);
        (Self { sender, dropped: AtomicU64::new(0) }, receiver)
    }

    /// Hands a note in; never waits.
    pub fn hand_in(&self, note: Note) {
        if self.sender.try_send(note).is_err() && self.dropped.fetch_add(1, Ordering::Relaxed).is_power_of_two() {
            let dropped = self.dropped.load(Ordering::Relaxed);
            tracing::warn!(dropped, "the audit cannot keep up: notes are dropped");
        }
    }
}

/// Writes until the last place to hand notes in is gone.
pub async fn run(store: Store, mut notes: Receiver<Note>) {
    let mut batch = Vec::with_capacity(NOTES_MAX);
    while notes.recv_many(&mut batch, NOTES_MAX).await > 0 {
        loop {
            match store.note(&batch).await {
                Ok(()) => break,
                Err(error) if error.is_passing() => tokio::time::sleep(PAUSE).await, // the store has told of it
                Err(error) => {
                    let error: &(dyn Error + 'static) = &error;
                    tracing::warn!(error, notes = batch.len(), "notes of the audit are dropped");
                    break;
                }
            }
        }
        batch.clear();
    }
}
