//! Every handler that has not returned, whatever became of its lease: how a worker finds out that one cannot be
//! stopped.

use crate::attempt::{Attempt, Limit};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The handlers of one process. Every method is one short lock.
#[derive(Default, Clone)]
pub(crate) struct Handling(Arc<Mutex<Handlers>>);

#[derive(Default)]
struct Handlers {
    begun: u64,
    running: HashMap<u64, Handler>,
}

struct Handler {
    attempt: Arc<Attempt>,
    limit: Limit,
    /// How often it was seen after its limit.
    overdue: u32,
}

/// Held by the task of a handler; dropped with it.
pub(crate) struct Begun(Handling, u64);

impl Handling {
    /// A handler begins.
    pub(crate) fn begin(&self, attempt: Arc<Attempt>, limit: Limit) -> Begun {
        let mut handlers = self.lock();
        handlers.begun += 1;
        let number = handlers.begun;
        handlers.running.insert(number, Handler { attempt, limit, overdue: 0 });
        Begun(self.clone(), number)
    }

    /// The limit of the handler that `number` began moves.
    pub(crate) fn move_limit(&self, number: u64, limit: Limit) {
        if let Some(handler) = self.lock().running.get_mut(&number) {
            (handler.limit, handler.overdue) = (limit, 0);
        }
    }

    /// The attempts whose handlers are there although they were seen so `looks` times after their limits. Looks are
    /// counted rather than time: a process that was stopped for a while has stopped its handlers too.
    pub(crate) fn look(&self, looks: u32) -> Vec<(Arc<Attempt>, Limit)> {
        let now = Instant::now();
        let mut stuck = Vec::new();
        for handler in self.lock().running.values_mut().filter(|handler| handler.limit.at <= now) {
            handler.overdue += 1;
            if handler.overdue > looks {
                stuck.push((handler.attempt.clone(), handler.limit));
            }
        }
        stuck
    }

    fn lock(&self) -> MutexGuard<'_, Handlers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    pub(crate) fn number(&self) -> u64 {
        self.1
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.lock().running.remove(&self.1);
    }
}
