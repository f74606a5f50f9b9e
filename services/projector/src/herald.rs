//! Tells webhooks of the ends of tasks: for each end and each webhook that wants it, it submits a task of one subtask that
//! delivers, tried again like any other. Twice a second, if no other projector does, it reads the log on from where it was
//! told last, up to what is folded: what a fact did to its task is seen then. The id of a delivery follows from the webhook,
//! the task and the time of its end, so that telling the same twice stores it once. Its place in the log is that of a group,
//! for which the log waits. If it dies, another goes on from there. Without any webhook it only looks whether there is one.
//!
//! What ends, is run again and ends once more before it was looked at is told once, of its last end.

use crate::config::Config;
use crate::entry_id::EntryId;
use crate::herald::delivery::delivery;
use crate::metrics::ProjectorMetrics;
use crate::pause::Pause;
use proto_schemas::webhook::WEBHOOK_KIND;
use proto_schemas::{ConsumerName, TaskId, limit};
use redis_store::events::EventEntry;
use redis_store::listing::TaskHead;
use redis_store::submit::{Admission, Submitted};
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
/// Ends that are remembered as told, so that the many facts of one task do not submit its delivery each.
const TOLD_MAX: usize = 10_000;
const ADMISSION: Admission =
    Admission { backlog_max: limit::BACKLOG_MAX, deadline: Duration::from_millis(limit::TASK_DEADLINE_MS) };

pub(crate) struct Herald {
    store: Store,
    consumer: ConsumerName,
    /// Whether the log is known not to wait: nothing is to be told.
    is_idle: bool,
    told: HashSet<(TaskId, u64)>,
    metrics: Arc<ProjectorMetrics>,
}

impl Herald {
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        let (consumer, metrics) = (config.consumer.clone(), config.metrics.clone());
        Self { store, consumer, is_idle: false, told: HashSet::new(), metrics }
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) {
        let mut pause = Pause::new("herald");
        loop {
            let done = self.round(shutdown).await;
            if !pause.until_next(done, PERIOD, shutdown).await {
                return;
            }
        }
    }

    /// Tells what is new, up to 50 pages.
    async fn round(&mut self, shutdown: &CancellationToken) -> Result<(), StoreError> {
        let webhooks = self.store.webhooks().await?;
        if webhooks.is_empty() {
            if !self.is_idle {
                self.store.let_log_go().await?;
                self.is_idle = true;
            }
            return Ok(());
        }
        self.is_idle = false;
        if !self.store.claim_herald(&self.consumer, CLAIM).await? {
            return Ok(());
        }
        for _ in 0..PAGES_MAX {
            if !self.run_once(&webhooks).await? || shutdown.is_cancelled() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Tells a page; whether there may be more.
    async fn run_once(&mut self, webhooks: &[KeptWebhook]) -> Result<bool, StoreError> {
        let Some(place) = self.store.told_place().await? else {
            self.store.hold_log_for_webhooks().await?;
            return Ok(true);
        };
        // First how far it is folded, then the tasks: so what was folded is seen in them.
        let folded = self.folded().await?;
        let mut page = self.store.range_events(&place.entry_id, COUNT).await?;
        let is_full = page.len() == COUNT;
        page.retain(|entry| entry.entry_id.parse().is_ok_and(|id: EntryId| id <= folded));
        let Some(last) = page.last() else { return Ok(false) };
        let next = ToldPlace {
            entry_id: last.entry_id.clone(),
            entries: place.entries.map(|entries| entries + page.len() as u64),
        };
        if !self.tell(webhooks, &page).await? {
            return Ok(false);
        }
        self.store.told_up_to(&next).await?;
        Ok(is_full)
    }

    /// Submits the deliveries of the tasks of a page that have ended; whether all were taken.
    async fn tell(&mut self, webhooks: &[KeptWebhook], page: &[EventEntry]) -> Result<bool, StoreError> {
        let tasks: HashSet<&TaskId> =
            page.iter().flat_map(|it| it.lines.iter().flatten()).map(|it| &it.task_id).collect();
        let tasks: Vec<TaskId> = tasks.into_iter().cloned().collect();
        for tasks in tasks.chunks(COUNT) {
            for head in self.heads(tasks).await? {
                let end = (head.task.task_id.clone(), head.task.finished_at_ms.unwrap_or_default());
                if self.told.contains(&end) {
                    continue;
                }
                for webhook in webhooks {
                    let Some(delivery) = delivery(webhook, &head) else { continue };
                    match self.store.submit(&delivery, ADMISSION).await? {
                        Submitted::Created => self.metrics.announced(),
                        Submitted::Existing(_) | Submitted::Conflict => {}
                        Submitted::Overloaded => return Ok(false), // the queue is full: the log waits
                    }
                }
                if self.told.len() >= TOLD_MAX {
                    self.told.clear();
                }
                self.told.insert(end);
            }
        }
        Ok(true)
    }

    /// Those that have ended, deliveries left out. One whose hash a hand broke has not.
    async fn heads(&self, tasks: &[TaskId]) -> Result<Vec<TaskHead>, StoreError> {
        let mut heads = Vec::new();
        match self.store.task_heads(tasks).await {
            Ok(found) => heads.extend(found.into_iter().flatten()),
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => {
                for task_id in tasks {
                    match self.store.task_heads(std::slice::from_ref(task_id)).await {
                        Ok(found) => heads.extend(found.into_iter().flatten()),
                        Err(error) if error.is_transient() => return Err(error),
                        Err(_) => {} // `audit` names it
                    }
                }
            }
        }
        heads.retain(|head| head.task.status.is_terminal() && head.kinds != [WEBHOOK_KIND]);
        Ok(heads)
    }

    /// The newest entry that is folded with all before it.
    async fn folded(&self) -> Result<EntryId, StoreError> {
        let id = |text: &str| text.parse().map_err(|_| StoreError::Reply("events"));
        let (held, read) = self.store.folding().await?;
        let read: EntryId = id(&read)?;
        let held = held.as_deref().map(id).transpose()?;
        Ok(held.map_or(read, |held: EntryId| read.min(held.before())))
    }
}
