//! Tells webhooks of the ends of tasks: for each end and each webhook that wants it, it submits a task of one subtask that
//! delivers, tried again like any other. Twice a second, if no other projector does, it reads the log on from where it was
//! told last, up to what is folded: what a fact did to its task is seen then. The id of a delivery follows from the webhook,
//! the task and the time of its end, so that telling the same twice stores it once. Its place in the log is that of a group,
//! for which the log waits. If it dies, another goes on from there. Without any webhook it only looks whether there is one.
//!
//! What ends, is run again and ends once more before it was looked at is told once, of its last end. While Redis is short of
//! memory nothing is submitted, and the log does not wait. Of one webhook no more deliveries are under way than its bound: what
//! ends beyond that is not told, and counted.

use crate::config::Config;
use crate::cut::is_tight;
use crate::entry_id::EntryId;
use crate::herald::delivery::delivery;
use crate::metrics::ProjectorMetrics;
use crate::pause::Pause;
use futures::future::try_join_all;
use proto_schemas::limit::{BACKLOG_MAX, TASK_DEADLINE_MS, WEBHOOK_DEADLINE_MS, WEBHOOK_OPEN_MAX};
use proto_schemas::webhook::WEBHOOK_KIND;
use proto_schemas::{ConsumerName, TaskId};
use redis_store::events::EventEntry;
use redis_store::listing::TaskHead;
use redis_store::submit::{Admission, Submission, Submitted};
use redis_store::webhooks::{KeptWebhook, ToldPlace};
use redis_store::{Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

mod delivery;

const PERIOD: Duration = Duration::from_millis(500);
/// How long no other projector looks; shorter than a period, so that the same one may look again.
const CLAIM: Duration = Duration::from_millis(450);
/// Entries of a page.
const COUNT: usize = 100;
/// Pages of one round.
const PAGES_MAX: usize = 50;
/// Deliveries that are submitted at the same time.
const SUBMITS_MAX: usize = 64;
/// Ends that are remembered as told, so that the many facts of one task do not submit its delivery each.
const TOLD_MAX: usize = 10_000;
/// Times that an entry was given out to be folded after which it is not waited for: it cannot be, until a person has looked.
const DELIVERIES_MAX: u64 = 20;
/// Entries of the projectors' pending list that are looked at.
const PENDING_MAX: usize = 1_000;
/// The queue is theirs alone, and bounded by what may be under way.
const ADMISSION: Admission = Admission { backlog_max: BACKLOG_MAX, deadline: Duration::from_millis(TASK_DEADLINE_MS) };

pub(crate) struct Herald {
    store: Store,
    consumer: ConsumerName,
    /// Whether the log is known not to wait: nothing is to be told.
    is_idle: bool,
    /// Whether something could not be told, as the log was told last.
    is_full: bool,
    told: HashSet<(TaskId, u64)>,
    metrics: Arc<ProjectorMetrics>,
}

impl Herald {
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        let (consumer, metrics) = (config.consumer.clone(), config.metrics.clone());
        Self { store, consumer, is_idle: false, is_full: false, told: HashSet::new(), metrics }
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

    /// Tells what is new, up to 50 pages; whether there may be more.
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
        for _ in 0..PAGES_MAX {
            if shutdown.is_cancelled() || self.is_short_of_memory().await? || !self.run_once().await? {
                return Ok(false);
            }
        }
        Ok(true)
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
        let ends = self.ends(&page).await?;
        for webhook in &webhooks {
            if !self.tell(webhook, &ends).await? {
                return Ok(false);
            }
        }
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.extend(ends.iter().map(end));
        self.store.told_up_to(&next).await?;
        Ok(is_full)
    }

    /// Submits the deliveries of some ends to one webhook; whether all were taken.
    async fn tell(&mut self, webhook: &KeptWebhook, ends: &[TaskHead]) -> Result<bool, StoreError> {
        let mut deliveries: Vec<Submission> = ends.iter().filter_map(|head| delivery(webhook, head)).collect();
        if deliveries.is_empty() {
            return Ok(true);
        }
        let now_ms = self.store.now_ms().await?;
        let open = self.store.open_deliveries(&webhook.id, now_ms.saturating_sub(WEBHOOK_DEADLINE_MS)).await?;
        let room = usize::try_from(WEBHOOK_OPEN_MAX.saturating_sub(open)).unwrap_or(usize::MAX);
        self.announce_untold(webhook, deliveries.len().saturating_sub(room));
        deliveries.truncate(room);
        let ids: Vec<TaskId> = deliveries.iter().map(|delivery| delivery.task_id.clone()).collect();
        self.store.begin_deliveries(&webhook.id, &ids, now_ms).await?;
        for some in deliveries.chunks(SUBMITS_MAX) {
            for submitted in try_join_all(some.iter().map(|it| self.store.submit(it, ADMISSION))).await? {
                match submitted {
                    Submitted::Created => self.metrics.announced(),
                    Submitted::Existing(_) | Submitted::Conflict => {}
                    Submitted::Overloaded => return Ok(false), // the log waits
                }
            }
        }
        Ok(true)
    }

    /// What is not told is not lost in silence.
    fn announce_untold(&mut self, webhook: &KeptWebhook, ends: usize) {
        self.metrics.untold(ends as u64);
        if ends > 0 && !self.is_full {
            tracing::warn!(
                webhook_id = webhook.id,
                "as many deliveries are under way as may be: ends are not told to it"
            );
        }
        self.is_full = ends > 0;
    }

    /// The tasks of a page that have ended and were not told just now, deliveries left out. One whose hash a hand broke has not.
    async fn ends(&self, page: &[EventEntry]) -> Result<Vec<TaskHead>, StoreError> {
        let tasks: HashSet<&TaskId> =
            page.iter().flat_map(|it| it.lines.iter().flatten()).map(|it| &it.task_id).collect();
        let tasks: Vec<TaskId> = tasks.into_iter().cloned().collect();
        let mut heads = Vec::new();
        for some in tasks.chunks(SUBMITS_MAX) {
            match self.store.task_heads(some).await {
                Ok(found) => heads.extend(found.into_iter().flatten()),
                Err(error) if error.is_transient() => return Err(error),
                Err(_) => {
                    for task_id in some {
                        match self.store.task_heads(std::slice::from_ref(task_id)).await {
                            Ok(found) => heads.extend(found.into_iter().flatten()),
                            Err(error) if error.is_transient() => return Err(error),
                            Err(_) => {} // `audit` names it
                        }
                    }
                }
            }
        }
        let is_news = |head: &TaskHead| {
            head.task.status.is_terminal() && head.kinds != [WEBHOOK_KIND] && !self.told.contains(&end(head))
        };
        heads.retain(is_news);
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
        let (_, read) = self.store.folding().await?;
        let pending = self.store.pending_events("-", PENDING_MAX).await?;
        let held = match pending.iter().find(|entry| entry.deliveries <= DELIVERIES_MAX) {
            None if pending.len() == PENDING_MAX => pending.last(), // what comes behind is not known
            held => held,
        };
        let read: EntryId = id(&read)?;
        let held = held.map(|entry| id(&entry.entry_id)).transpose()?;
        Ok(held.map_or(read, |held: EntryId| read.min(held.before())))
    }

    async fn is_short_of_memory(&self) -> Result<bool, StoreError> {
        let info = self.store.info().await?;
        let number = |name: &str| info.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(is_tight(number("used_memory"), number("maxmemory")))
    }
}

/// What tells one end from another.
fn end(head: &TaskHead) -> (TaskId, u64) {
    (head.task.task_id.clone(), head.task.finished_at_ms.unwrap_or_default())
}
