//! How long a client may take, and the one timer of a connection that watches it.
//!
//! The timer is set to the next moment at which something may be due, and left alone while that moves away: a request
//! on a busy connection costs no timer. When it wakes too early it is set again.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// What a client is given; the time for a body stands with its reader.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the first byte of a head to its end; for the first head of a connection from its start.
    pub head: Duration,
    /// Between two requests of one connection.
    pub idle: Duration,
    /// A write that does not get on.
    pub write: Duration,
}

impl Default for Deadlines {
    /// The catalogue of hostile input demands (ACCEPTANCE API-11) that a slow head is closed within 10 s, also by a
    /// timer that is late, and a write that does not get on within 15 s. A connection without a request is kept for 120
    /// s, longer than load balancers and pools of clients usually keep theirs (60 to 90 s): who closes first must not
    /// be the one whom a request may be on its way to.
    fn default() -> Self {
        Self { head: Duration::from_millis(9_500), idle: Duration::from_secs(120), write: Duration::from_secs(15) }
    }
}

/// Whether a request of a connection is being answered: nothing is waited for from the client then.
#[derive(Debug, Clone, Default)]
pub struct Busy(Arc<AtomicBool>);

/// Busy until it is dropped.
#[derive(Debug)]
pub struct InFlight(Busy);

impl Busy {
    /// From now on.
    pub fn begin(&self) -> InFlight {
        self.0.store(true, Ordering::Relaxed); // one task at a time looks at it
        InFlight(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// What a connection waits for, and since when.
#[derive(Debug)]
pub struct Watch {
    deadlines: Deadlines,
    busy: Busy,
    timer: Option<Pin<Box<Sleep>>>,
    moved_at: Instant,
    head_since: Option<Instant>,
    blocked_since: Option<Instant>,
}

impl Watch {
    /// Of a connection that begins now, with a head.
    pub fn new(deadlines: Deadlines, busy: Busy) -> Self {
        let now = Instant::now();
        Self { deadlines, busy, timer: None, moved_at: now, head_since: Some(now), blocked_since: None }
    }

    /// Something was read: what completes a head or belongs to a body `passed`, and maybe there is part of a head now.
    pub fn has_read(&mut self, passed: bool, is_in_head: bool) {
        self.moved_at = Instant::now();
        if passed {
            self.head_since = None;
        }
        if is_in_head {
            self.head_since.get_or_insert(self.moved_at);
        }
    }

    /// Something was written.
    pub fn has_written(&mut self) {
        self.moved_at = Instant::now();
        self.blocked_since = None;
    }

    /// Whether the client has let the time for its next request pass; else wakes the task when it may have.
    pub fn is_read_due(&mut self, cx: &mut Context<'_>) -> bool {
        if self.busy.is_busy() {
            // hyper does not ask again when the answer is done, so the timer has to run by then.
            self.is_due(cx, Instant::now() + self.deadlines.idle);
            return false;
        }
        let due = match self.head_since {
            Some(since) => since + self.deadlines.head,
            None => self.moved_at + self.deadlines.idle,
        };
        self.is_due(cx, due)
    }

    /// Whether the client has read nothing for too long; else wakes the task when it may have.
    pub fn is_write_due(&mut self, cx: &mut Context<'_>) -> bool {
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        self.is_due(cx, since + self.deadlines.write)
    }

    /// Whether it is `due`; else wakes the task then, or earlier.
    pub fn is_due(&mut self, cx: &mut Context<'_>, due: Instant) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                return true;
            }
            timer.as_mut().reset(due);
        }
        false
    }
}
