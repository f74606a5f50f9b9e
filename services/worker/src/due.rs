//! When the promoter has to look: at the times of the retries that this worker has scheduled, and, in a second whose
//! round is this worker's, at the time of whatever is due first. All else is left to whoever has a later round.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a round is this worker's.
pub(crate) const ROUND: Duration = Duration::from_secs(1);
/// Retries beyond this many are promoted by the rounds.
const MINE_MAX: usize = 10_000;

/// The times, and a bell for the promoter.
#[derive(Default)]
pub(crate) struct Due {
    times: Mutex<Times>,
    changed: Notify,
}

#[derive(Default)]
struct Times {
    mine: BinaryHeap<Reverse<Instant>>,
    first: Option<Instant>,
    round_ends_at: Option<Instant>,
}

impl Due {
    /// A retry of this worker's is due at `at`.
    pub(crate) fn expect(&self, at: Instant) {
        let mut times = self.lock();
        if times.mine.len() < MINE_MAX {
            times.mine.push(Reverse(at));
        }
        drop(times);
        self.changed.notify_one();
    }

    /// This worker has the round that began at `now`; `next_due` is when the first is due, if anything waits.
    pub(crate) fn begin_round(&self, now: Instant, next_due: Option<Duration>) {
        self.lock().round_ends_at = Some(now + ROUND);
        self.answered(now, next_due);
    }

    /// A promotion at `now` has left this; zero means that more is due than it took.
    pub(crate) fn answered(&self, now: Instant, next_due: Option<Duration>) {
        let mut times = self.lock();
        let ends_at = times.round_ends_at.filter(|ends_at| *ends_at > now).unwrap_or(now);
        times.first = next_due.map(|wait| now + wait).filter(|at| *at <= ends_at);
        drop(times);
        self.changed.notify_one();
    }

    /// Waits until something is due, and takes it.
    pub(crate) async fn wait(&self) {
        while !self.take(Instant::now()) {
            let next = self.next();
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {}
            }
        }
    }

    fn next(&self) -> Option<Instant> {
        let times = self.lock();
        times.mine.peek().map(|Reverse(at)| *at).into_iter().chain(times.first).min()
    }

    /// Forgets what is due at `now`; says whether anything was.
    fn take(&self, now: Instant) -> bool {
        let mut times = self.lock();
        let mut is_due = times.first.take_if(|at| *at <= now).is_some();
        while times.mine.peek().is_some_and(|Reverse(at)| *at <= now) {
            times.mine.pop();
            is_due = true;
        }
        is_due
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn own_retries_are_due_at_their_times_and_not_before() {
        let (due, now) = (Due::default(), Instant::now());
        due.expect(now + 20 * MS);
        due.expect(now + 10 * MS);
        due.expect(now + 11 * MS);
        assert_eq!(due.next(), Some(now + 10 * MS));
        assert!(!due.take(now + 9 * MS) && due.take(now + 11 * MS));
        assert_eq!(due.next(), Some(now + 20 * MS));
        assert!(due.take(now + 20 * MS) && due.next().is_none());
    }

    #[test]
    fn what_others_scheduled_is_followed_only_within_a_round_of_ones_own() {
        let (due, now) = (Due::default(), Instant::now());
        due.answered(now, Some(MS));
        assert_eq!(due.next(), None, "somebody else's round");
        due.begin_round(now, Some(300 * MS));
        assert_eq!(due.next(), Some(now + 300 * MS));
        assert!(due.take(now + 300 * MS));
        due.answered(now + 301 * MS, Some(600 * MS));
        assert_eq!(due.next(), Some(now + 901 * MS));
        due.answered(now + 301 * MS, Some(800 * MS));
        assert_eq!(due.next(), None, "the next round is in time for it");
        due.answered(now + 5 * ROUND, Some(Duration::ZERO));
        assert!(due.take(now + 5 * ROUND), "more was due than one call takes");
    }
}
