//! Ends what is past its time. Every second it reads a hundred tasks whose time in `lifetimes` is over, and goes on at
//! once while pages are full and some of them could be ended, up to 5,000: those that have ended are removed, those
//! that are open are cancelled for their deadline, each in one script that looks again. What refuses both stays as it
//! is and is counted, and the log is told when the number grows. Once a minute it forgets the hints of cancelled tasks
//! that nobody needs any more, and kinds that no worker has announced for a week; one that is announced in that very
//! moment comes back with the next heartbeat. If it dies, the rest waits for any projector's next second.

use crate::config::Config;
use crate::metrics::ProjectorMetrics;
use crate::pause::Pause;
use proto_schemas::{ConsumerName, Kind, TaskId, limit};
use redis_store::cancel::{CancelOrder, Cancelled};
use redis_store::expire::Expired;
use redis_store::{Store, StoreError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(1);
/// How often hints and kinds are looked through.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// Tasks of a page.
const COUNT: usize = 100;
/// Pages that follow each other without a pause.
const PAGES_MAX: usize = 50;
/// Why an open task is cancelled.
const REASON: &str = "deadline";

pub(crate) struct Expirer {
    store: Store,
    consumer: ConsumerName,
    order: CancelOrder,
    /// Where the walk stands: so many of the oldest were left alone.
    left_alone: usize,
    /// The number that the log was told last.
    reported: usize,
    /// When hints and kinds were looked through.
    forgot_at: Option<Instant>,
    metrics: Arc<ProjectorMetrics>,
}

/// What became of one page.
struct Page {
    /// Tasks of which nothing is left.
    removed: usize,
    /// Whether the next page is worth reading at once: this one was full, and not all of it was left as it is.
    has_more: bool,
}

/// What became of a task whose time is over.
enum Ended {
    /// Nothing of it is left.
    Removed,
    /// It was open.
    Cancelled,
    /// Its time was prolonged meanwhile.
    Early,
    /// It can be neither removed nor cancelled.
    LeftAlone,
}

impl Expirer {
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        let reason = Some(Kind::new(REASON).expect("a word of the alphabet"));
        let order = CancelOrder { reason, task_ttl: config.task_ttl, only_past: true, if_revision: None };
        let (consumer, metrics) = (config.consumer.clone(), config.metrics.clone());
        Self { store, consumer, order, left_alone: 0, reported: 0, forgot_at: None, metrics }
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) {
        let mut pause = Pause::new("expirer");
        loop {
            let done = self.round(shutdown).await.map(|removed| {
                if removed > 0 {
                    tracing::debug!(removed, "removed tasks past their life");
                }
            });
            if !pause.until_next(done, PERIOD, shutdown).await {
                return;
            }
        }
    }

    /// Goes through pages as long as they are full; answers how many tasks it removed.
    async fn round(&mut self, shutdown: &CancellationToken) -> Result<usize, StoreError> {
        let mut removed = 0;
        for _ in 0..PAGES_MAX {
            let page = self.run_once().await?;
            removed += page.removed;
            if !page.has_more || shutdown.is_cancelled() {
                break;
            }
        }
        Ok(removed)
    }

    /// Goes through one page, or starts again at the end of all pages.
    async fn run_once(&mut self) -> Result<Page, StoreError> {
        let now_ms = self.store.now_ms().await?;
        let page = self.store.past_lifetimes(now_ms, self.left_alone, COUNT).await?;
        if page.is_empty() {
            if self.left_alone > self.reported {
                tracing::warn!(
                    tasks = self.left_alone,
                    "tasks are past their time and can be neither ended nor removed"
                );
            }
            self.reported = std::mem::take(&mut self.left_alone);
        }
        let (is_full, mut removed, mut cancelled) = (page.len() == COUNT, 0, 0);
        for task_id in page {
            match self.end(&task_id).await? {
                Ended::Removed => {
                    self.metrics.removed();
                    removed += 1;
                }
                Ended::Cancelled => {
                    self.metrics.cancelled();
                    cancelled += 1;
                }
                Ended::Early => {}
                Ended::LeftAlone => self.left_alone += 1,
            }
        }
        if self.forgot_at.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            self.forget(now_ms).await?;
            self.forgot_at = Some(Instant::now());
        }
        Ok(Page { removed, has_more: is_full && removed + cancelled > 0 })
    }

    /// Removes a task, or cancels it if it is open. An error means: the same again, later.
    async fn end(&self, task_id: &TaskId) -> Result<Ended, StoreError> {
        let ended = match self.store.expire(task_id).await {
            Ok(Expired::Removed) => Ok(Ended::Removed),
            Ok(Expired::Early) => Ok(Ended::Early),
            Ok(Expired::Open) => self.cancel(task_id).await,
            Err(error) => Err(error),
        };
        match ended {
            Err(error) if !error.is_passing() => Ok(Ended::LeftAlone), // `audit` names it
            other => other,
        }
    }

    async fn cancel(&self, task_id: &TaskId) -> Result<Ended, StoreError> {
        Ok(match self.store.cancel(&self.consumer, task_id, &self.order).await? {
            Cancelled::Cancelled(subtasks, end) => {
                tracing::info!(task_id = %task_id, subtasks, "cancelled a task past its deadline");
                end.iter().for_each(|end| self.metrics.ended(end));
                Ended::Cancelled
            }
            Cancelled::Already(_) | Cancelled::Early | Cancelled::Changed => Ended::Early,
            Cancelled::Gone => Ended::LeftAlone,
        })
    }

    /// Forgets hints and kinds whose time is over.
    async fn forget(&self, now_ms: u64) -> Result<(), StoreError> {
        let hints = self.store.forget_cancelled(now_ms).await?;
        let known = self.store.known_kinds().await?;
        let unseen: Vec<Kind> = known
            .into_iter()
            .filter(|kind| kind.seen_ms.saturating_add(limit::KIND_TTL_MS) < now_ms)
            .map(|kind| kind.kind)
            .collect();
        self.store.forget_kinds(&unseen).await?;
        if hints > 0 {
            tracing::debug!(hints, "forgot the hints of cancelled tasks");
        }
        for kind in unseen {
            tracing::info!(%kind, "forgot a kind that no worker has announced for a week");
        }
        Ok(())
    }
}
