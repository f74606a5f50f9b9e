//! One attempt: what its handler is given, when it is stopped, and how it ended as one value, whichever way it ended.

use crate::canceller;
use crate::context::Context;
use crate::ending::{Ended, Ending};
use crate::handler::{ErasedHandler, HandlerError};
use crate::handling::Begun;
use crate::lease::LeaseKey;
use crate::metrics::KindMetrics;
use crate::parents::{self, Parents};
use crate::shared::Shared;
use crate::traced::{self, TracedAttempt};
use proto_schemas::WorkEntry;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// A leased entry that can be run.
pub(crate) struct Attempt {
    pub(crate) entry: Arc<WorkEntry>,
    pub(crate) handler: Arc<dyn ErasedHandler>,
    pub(crate) key: LeaseKey,
    /// Fires when the lease is lost.
    pub(crate) lost: CancellationToken,
    /// When it was asked for the last time whether it was cancelled.
    pub(crate) asked_at: Instant,
    /// What is counted of its kind.
    pub(crate) metrics: Arc<KindMetrics>,
    /// What it is in traces, if they are on.
    pub(crate) traced: Option<TracedAttempt>,
}

/// When an attempt is stopped, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) at: Instant,
    pub(crate) cause: LimitCause,
}

/// Which of its limits an attempt meets first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitCause {
    /// That of one attempt: another may be made.
    Timeout,
    /// That of the task: nothing may follow.
    Deadline,
}

impl Limit {
    /// Of an attempt whose timeout is at `timeout_at`, when Redis' clock shows `now_ms` at `now`.
    fn of(entry: &WorkEntry, timeout_at: Instant, now: Instant, now_ms: u64) -> Self {
        let deadline_at = entry.deadline_ms.map(|ms| now + Duration::from_millis(ms.saturating_sub(now_ms)));
        match deadline_at.filter(|at| *at < timeout_at) {
            Some(at) => Self { at, cause: LimitCause::Deadline },
            None => Self { at: timeout_at, cause: LimitCause::Timeout },
        }
    }
}

impl Attempt {
    /// Runs the handler and answers what is to be recorded; nothing if the lease was lost. Returns only when the
    /// handler is gone.
    pub(crate) async fn run(self: &Arc<Self>, shared: &Shared) -> Option<Ending> {
        let parents = parents::read(shared, &self.entry, &self.lost).await?;
        if self.was_cancelled_meanwhile(shared).await {
            return Some(Ending::judge(shared, self, Ended::Cancelled));
        }
        let now_ms = match self.entry.deadline_ms {
            Some(_) => shared.clock.ask_surely(&shared.store, &self.lost).await?,
            None => shared.clock.now_ms(),
        };
        let now = Instant::now();
        let timeout_at = now + Duration::from_millis(self.entry.timeout_ms);
        let limit = Limit::of(&self.entry, timeout_at, now, now_ms);
        // Work of a task whose time is over does not begin; a timeout of zero still lets a handler begin.
        if limit.cause == LimitCause::Deadline && limit.at <= now {
            return Some(Ending::judge(shared, self, Ended::Over(limit)));
        }
        // A child, so that a handler that never awaits can see a lost lease; the guard tells what it has spawned.
        let cancelled = self.lost.child_token();
        let _stop_helpers = cancelled.clone().drop_guard();
        if !shared.held.running(&self.key, &self.lost, &self.entry, &cancelled) {
            return None;
        }
        let waited = self.waited(now_ms);
        let span = self.traced.and_then(|traced| traced.begin(&self.entry, &self.key, waited));
        let run = self.metrics.begin(waited);
        let ended = self.handle(shared, parents, (limit, timeout_at), cancelled).await;
        let ending = ended.map(|ended| Ending::judge(shared, self, ended));
        run.end(ending.as_ref());
        traced::end(span, ending.as_ref());
        ending
    }

    /// How long its entry has been there when Redis' clock shows `now_ms`.
    fn waited(&self, now_ms: u64) -> Duration {
        let made_ms = self.key.entry_id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(now_ms);
        Duration::from_millis(now_ms.saturating_sub(made_ms))
    }

    /// Asks again after a wait: for the results of its parents, or to run alone.
    async fn was_cancelled_meanwhile(&self, shared: &Shared) -> bool {
        self.asked_at.elapsed() >= canceller::ASK_EVERY
            && canceller::cancelled_in_time(shared, &[&self.entry]).await.contains(&true)
    }

    async fn handle(
        self: &Arc<Self>,
        shared: &Shared,
        parents: Parents,
        (mut limit, timeout_at): (Limit, Instant),
        cancelled: CancellationToken,
    ) -> Option<Ended> {
        let begun = shared.handling.begin(self.clone(), limit);
        let number = begun.number();
        let mut handling = self.spawn(begun, parents, limit, cancelled.clone());
        let stopped = loop {
            tokio::select! {
                biased;
                joined = &mut handling => return Some(joined.map_or(Ended::Panicked, Ended::Answered)),
                () = cancelled.cancelled() => break Ended::Cancelled, // or lost
                later = self.pass(shared, limit, timeout_at) => match later {
                    Some(later) => limit = later,
                    None => break Ended::Over(limit),
                },
            }
            shared.handling.move_limit(number, limit);
        };
        handling.abort();
        cancelled.cancel();
        let _ = handling.await; // however it went, it is gone
        if self.lost.is_cancelled() { None } else { Some(stopped) }
    }

    /// Waits for the limit. A deadline is a time of Redis' clock: if that was turned back meanwhile, there is a later
    /// limit.
    async fn pass(&self, shared: &Shared, limit: Limit, timeout_at: Instant) -> Option<Limit> {
        tokio::time::sleep_until(limit.at.into()).await;
        if limit.cause == LimitCause::Timeout {
            return None;
        }
        let now_ms = shared.clock.ask_surely(&shared.store, &self.lost).await?;
        let now = Instant::now();
        Some(Limit::of(&self.entry, timeout_at, now, now_ms)).filter(|later| later.at > now)
    }

    /// Starts the handler in a task of its own, so that it can be stopped while this one watches it.
    fn spawn(
        self: &Arc<Self>,
        begun: Begun,
        parents: Parents,
        limit: Limit,
        cancelled: CancellationToken,
    ) -> AbortOnDropHandle<Result<String, HandlerError>> {
        let ctx = Context::new(self.entry.clone(), self.key.entry_id.clone(), parents, limit.at, cancelled)
            .standing_at(self.traced.map(|traced| traced.own));
        let handler = self.handler.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            let _begun = begun; // first in, last dropped: the handler is gone when this is
            handler.execute(&ctx, ctx.payload()).await
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_schemas::Priority;

    #[test]
    fn the_nearer_of_timeout_and_deadline_is_the_limit() {
        let limit = |timeout_ms: &str, deadline_ms: &str| {
            let fields = [("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")];
            let more = [("timeout_ms", timeout_ms), ("deadline_ms", deadline_ms)];
            let given = fields.into_iter().chain(more.into_iter().filter(|(_, value)| !value.is_empty()));
            let bytes = given.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            let (entry, now) = (WorkEntry::decode(bytes, Priority::Low).unwrap(), Instant::now());
            let timeout_at = now + Duration::from_millis(entry.timeout_ms);
            let limit = Limit::of(&entry, timeout_at, now, 1_000_000);
            (limit.cause, (limit.at - now).as_millis())
        };
        assert_eq!(limit("500", ""), (LimitCause::Timeout, 500));
        assert_eq!(limit("500", "1000500"), (LimitCause::Timeout, 500));
        assert_eq!(limit("500", "1000400"), (LimitCause::Deadline, 400));
        assert_eq!(limit("500", "999999"), (LimitCause::Deadline, 0));
    }
}
