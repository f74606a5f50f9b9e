//! Tells webhooks of the ends of tasks: for each end and each webhook that wants it, it submits a task of one subtask
//! that delivers, tried again like any other. Twice a second, if no other projector does, it reads the log on from
//! where it was told last, up to what is folded: what a fact did to its task is seen then. The id of a delivery follows
//! from the webhook, the task and the time of its end, so that telling the same twice stores it once. Its place in the
//! log is that of a group, for which the log waits. If it dies, another goes on from there. Without any webhook it only
//! looks whether there is one.
//!
//! What ends, is run again and ends once more before it was looked at is told once, of its last end. Above three fifths
//! of Redis' memory nothing is submitted, and above four the log does not wait. No more deliveries are under way than
//! their bound: what ends beyond that is not told, and counted. A delivery gives its place back when the herald reads
//! that it has ended; the worker that ends one does so sooner, and what neither frees is free after a day.

use crate::config::Config;
use crate::entry_id::EntryId;
use crate::herald::delivery::delivery;
use crate::metrics::ProjectorMetrics;
use crate::pause::Pause;
use futures::future::try_join_all;
use proto_schemas::limit::{TASK_DEADLINE_MS, WEBHOOK_DEADLINE_MS, WEBHOOK_OPEN_MAX, WEBHOOKS_OPEN_MAX};
use proto_schemas::webhook::WEBHOOK_KIND;
use proto_schemas::{ConsumerName, TaskId};
use redis_store::events::EventEntry;
use redis_store::listing::TaskHead;
use redis_store::submit::{Admission, Submission, Submitted};
use redis_store::tail::Folding;
use redis_store::webhooks::{KeptWebhook, ToldPlace};
use redis_store::{Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

mod delivery;

const PERIOD: Duration = Duration::from_millis(500);
/// How long no other projector looks, unless it is told that it may.
const CLAIM: Duration = Duration::from_secs(5);
/// How long a round takes, so that it ends before that.
const ROUND: Duration = Duration::from_secs(2);
/// Entries of a page.
const COUNT: usize = 100;
/// Deliveries that are submitted at the same time.
const SUBMITS_MAX: usize = 64;
/// Ends that are remembered as told, so that the many facts of one task do not submit its delivery each.
const TOLD_MAX: usize = 10_000;
/// They are bounded by what may be under way, and not by what others have waiting.
const ADMISSION: Admission = Admission { backlog_max: 1 << 40, deadline: Duration::from_millis(TASK_DEADLINE_MS) };

pub(crate) struct Herald {
    store: Store,
    consumer: ConsumerName,
    /// Whether the log is known not to wait: nothing is to be told.
    is_idle: bool,
    /// The webhooks that could not be told of something when they were last to be, as the log knows.
    full: HashSet<String>,
    told: HashSet<(TaskId, u64)>,
    metrics: Arc<ProjectorMetrics>,
}

impl Herald {
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        let (consumer, metrics) = (config.consumer.clone(), config.metrics.clone());
        Self { store, consumer, is_idle: false, full: HashSet::new(), told: HashSet::new(), metrics }
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) {
        let mut pause = Pause::new("herald");
        loop {
            let done = self.round(shutdown).await;
            let period = if matches!(done, Ok(true)) { Duration::ZERO } else { PERIOD };
            if !pause.until_next(done.map(drop), period, shutdown).await {
                return;
            }
        }
    }

    /// Tells what is new, for two seconds; whether there may be more.
    async fn round(&mut self, shutdown: &CancellationToken) -> Result<bool, StoreError> {
        if self.live_webhooks().await?.is_empty() {
            if !self.is_idle {
                self.store.let_log_go().await?;
                self.is_idle = true;
            }
            return Ok(false);
        }
        self.is_idle = false;
        if !self.store.claim_herald(&self.consumer, CLAIM).await? {
            return Ok(false);
        }
        let (begun, mut has_more) = (Instant::now(), true);
        while has_more && begun.elapsed() < ROUND && !shutdown.is_cancelled() {
            has_more = !self.is_short_of_memory().await? && self.run_once().await?;
        }
        self.store.end_herald().await?;
        Ok(has_more)
    }

    /// Tells a page; whether there may be more.
    async fn run_once(&mut self) -> Result<bool, StoreError> {
        let Some(place) = self.store.told_place().await? else {
            self.store.hold_log_for_webhooks().await?;
            return Ok(true);
        };
        // In this order: what was folded is seen in the tasks, and whoever was there at an end is among the webhooks.
        let folded = self.folded().await?;
        let mut page = self.store.range_events(&place.entry_id, COUNT).await?;
        let is_full = page.len() == COUNT;
        page.retain(|entry| entry.entry_id.parse().is_ok_and(|id: EntryId| id <= folded));
        let Some(last) = page.last() else { return Ok(false) };
        let next = ToldPlace {
            entry_id: last.entry_id.clone(),
            entries: place.entries.map(|entries| entries + page.len() as u64),
        };
        let webhooks = self.live_webhooks().await?;
        let (deliveries, mut ends): (Vec<_>, Vec<_>) =
            self.ended(&page).await?.into_iter().partition(|head| head.kinds == [WEBHOOK_KIND]);
        self.free(&webhooks, deliveries).await?;
        ends.retain(|head| !self.told.contains(&end(head)));
        let now_ms = self.store.now_ms().await?;
        let mut open = self.open(&webhooks, now_ms).await?;
        for (at, webhook) in webhooks.iter().enumerate() {
            let of_all = WEBHOOKS_OPEN_MAX.saturating_sub(open.iter().sum());
            let room = WEBHOOK_OPEN_MAX.saturating_sub(open[at]).min(of_all);
            open[at] += self.tell(webhook, &ends, now_ms, room).await?;
        }
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.extend(ends.iter().map(end));
        self.store.told_up_to(&next).await?;
        Ok(is_full)
    }

    /// Gives back the places of deliveries that have ended, however they did. One does not say whose it is, so each
    /// webhook is asked to forget it.
    async fn free(&self, webhooks: &[KeptWebhook], deliveries: Vec<TaskHead>) -> Result<(), StoreError> {
        let ended: Vec<TaskId> = deliveries.into_iter().map(|head| head.task.task_id).collect();
        try_join_all(webhooks.iter().map(|webhook| self.store.end_deliveries(&webhook.id, &ended))).await.map(drop)
    }

    /// How many deliveries of each are under way.
    async fn open(&self, webhooks: &[KeptWebhook], now_ms: u64) -> Result<Vec<u64>, StoreError> {
        let since_ms = now_ms.saturating_sub(WEBHOOK_DEADLINE_MS);
        try_join_all(webhooks.iter().map(|webhook| self.store.open_deliveries(&webhook.id, since_ms))).await
    }

    /// Submits the deliveries of some ends to a webhook, as many as there is room for, and answers how many. What has a
    /// place already, because this page was begun before, keeps it.
    async fn tell(
        &mut self,
        webhook: &KeptWebhook,
        ends: &[TaskHead],
        now_ms: u64,
        room: u64,
    ) -> Result<u64, StoreError> {
        let deliveries: Vec<Submission> = ends.iter().filter_map(|head| delivery(webhook, head)).collect();
        let ids: Vec<TaskId> = deliveries.iter().map(|delivery| delivery.task_id.clone()).collect();
        let are_open = self.store.are_open(&webhook.id, &ids).await?;
        let (known, new): (Vec<_>, Vec<_>) = deliveries.into_iter().zip(are_open).partition(|(_, is_open)| *is_open);
        let taken = new.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.announce_untold(webhook, new.len() - taken, new.is_empty());
        let new: Vec<Submission> = new.into_iter().map(|(delivery, _)| delivery).take(taken).collect();
        let ids: Vec<TaskId> = new.iter().map(|delivery| delivery.task_id.clone()).collect();
        self.store.begin_deliveries(&webhook.id, &ids, now_ms).await?;
        self.submit(&known.into_iter().map(|(delivery, _)| delivery).collect::<Vec<_>>()).await?;
        // What was there has ended before, or it would have had a place: nobody would give this one back.
        let were_there = self.submit(&new).await?;
        self.store.end_deliveries(&webhook.id, &were_there).await?;
        Ok(taken as u64)
    }

    /// Submits deliveries; answers those that were there.
    async fn submit(&self, deliveries: &[Submission]) -> Result<Vec<TaskId>, StoreError> {
        let mut were_there = Vec::new();
        for some in deliveries.chunks(SUBMITS_MAX) {
            let submitted = try_join_all(some.iter().map(|it| self.store.submit(it, ADMISSION))).await?;
            for (delivery, submitted) in some.iter().zip(submitted) {
                match submitted {
                    Submitted::Created => self.metrics.announced(),
                    Submitted::Existing(_) => were_there.push(delivery.task_id.clone()),
                    Submitted::Conflict | Submitted::Overloaded => {} // neither a key nor a bound that could be met
                }
            }
        }
        Ok(were_there)
    }

    /// What is not told is not lost in silence.
    fn announce_untold(&mut self, webhook: &KeptWebhook, ends: usize, was_nothing_new: bool) {
        self.metrics.untold(ends as u64);
        if ends > 0 {
            if self.full.insert(webhook.id.clone()) {
                let id = &webhook.id;
                tracing::warn!(webhook_id = id, "as many deliveries are under way as may be: ends are not told to it");
            }
        } else if !was_nothing_new {
            self.full.remove(&webhook.id);
        }
    }

    /// The tasks of a page that have ended, deliveries among them. One whose hash a hand broke has not.
    async fn ended(&self, page: &[EventEntry]) -> Result<Vec<TaskHead>, StoreError> {
        let tasks: HashSet<&TaskId> =
            page.iter().flat_map(|it| it.lines.iter().flatten()).map(|it| &it.task_id).collect();
        let tasks: Vec<TaskId> = tasks.into_iter().cloned().collect();
        let mut heads = Vec::new();
        for some in tasks.chunks(SUBMITS_MAX) {
            heads.extend(self.store.task_heads(some).await?.into_iter().flatten());
        }
        heads.retain(|head| head.task.status.is_terminal());
        heads.sort_by_cached_key(|head| (head.task.finished_at_ms, head.task.task_id.clone()));
        Ok(heads)
    }

    /// Those that are still there.
    async fn live_webhooks(&self) -> Result<Vec<KeptWebhook>, StoreError> {
        let mut webhooks = self.store.webhooks().await?;
        webhooks.retain(|webhook| webhook.gone_at_ms.is_none());
        Ok(webhooks)
    }

    /// The newest entry that is folded with all before it, but for what cannot be folded until a person has looked.
    async fn folded(&self) -> Result<EntryId, StoreError> {
        let id = |text: &str| text.parse().map_err(|_| StoreError::Reply("events"));
        let Folding { held, read, .. } = self.store.folding_past_stuck().await?;
        let read: EntryId = id(&read)?;
        let held = held.as_deref().map(id).transpose()?;
        Ok(held.map_or(read, |held: EntryId| read.min(held.before())))
    }

    /// Well before submissions are refused: work goes first.
    async fn is_short_of_memory(&self) -> Result<bool, StoreError> {
        let (used, most) = self.store.memory().await?;
        Ok(most > 0 && used > most / 5 * 3)
    }
}

/// What tells one end from another.
fn end(head: &TaskHead) -> (TaskId, u64) {
    (head.task.task_id.clone(), head.task.finished_at_ms.unwrap_or_default())
}
