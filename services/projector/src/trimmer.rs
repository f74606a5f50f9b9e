//! Keeps the log short. Every ten seconds it reads how far each group is, how large the log is and how full Redis is,
//! and trims from the old end what the rule in [`crate::cut`] lets go, in bounded steps. It trims by id, so an entry
//! that comes meanwhile is never counted against another. In the same round it reads how many dead letters their bound
//! has trimmed away, and warns when it were more than the last time, or any at the start: what people may miss is never
//! lost in silence. If it dies, the log is longer until any projector's next round.

use crate::config::Config;
use crate::cut::{Cut, Held, LogState, Retention, cut, is_tight};
use crate::entry_id::EntryId;
use crate::metrics::ProjectorMetrics;
use crate::pause::Pause;
use redis_store::{Store, StoreError, key};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Steps of one round; Redis removes at most 10,000 entries in each.
const STEPS_MAX: usize = 100;

pub(crate) struct Trimmer {
    store: Store,
    retention: Retention,
    period: Duration,
    /// Why nothing may go, as the log was told last.
    reported: Option<Held>,
    /// How many dead letters were gone, as the log was told last.
    letters_gone: u64,
    /// Whether ends may be trimmed away untold, as the log was told last.
    untold: bool,
    metrics: Arc<ProjectorMetrics>,
}

impl Trimmer {
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        let retention = Retention { age: config.events_retention, bytes_max: config.events_bytes_max };
        let (period, metrics) = (config.trim_every, config.metrics.clone());
        Self { store, retention, period, reported: None, letters_gone: 0, untold: false, metrics }
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) {
        let mut pause = Pause::new("trimmer");
        loop {
            let done = self.run_once().await.map(|trimmed| self.report(trimmed));
            if !pause.until_next(done, self.period, shutdown).await {
                return;
            }
        }
    }

    /// Trims what may go now; answers how many entries went, or why nothing may go.
    async fn run_once(&mut self) -> Result<Result<u64, Held>, StoreError> {
        self.announce_letters().await?;
        let Some(mut log) = self.look().await? else { return Ok(Ok(0)) };
        self.announce_untold(&log);
        let mut trimmed = 0;
        for _ in 0..STEPS_MAX {
            let removed = match cut(&log, self.retention) {
                Ok(Cut { before, count: None }) => self.store.trim_events(&before.to_string()).await?,
                Ok(Cut { before, count: Some(count) }) => {
                    self.store.trim_oldest_events(&before.to_string(), count).await?
                }
                Err(held) => return Ok(Err(held)),
            };
            if removed == 0 {
                break;
            }
            self.metrics.trimmed(removed);
            trimmed += removed;
            (log.entries, log.bytes) = self.store.event_log_size().await?;
        }
        Ok(Ok(trimmed))
    }

    async fn announce_letters(&mut self) -> Result<(), StoreError> {
        let (left, gone) = self.store.dead_letters_count().await?;
        if gone > self.letters_gone {
            let more = gone - self.letters_gone;
            tracing::warn!(trimmed = more, all_time = gone, left, "dead letters were trimmed away: there are too many");
        }
        self.letters_gone = gone;
        Ok(())
    }

    /// What webhooks are not told of is not lost in silence either.
    fn announce_untold(&mut self, log: &LogState) {
        let tight = is_tight(log.used_memory, log.maxmemory);
        let place = |name: &str| {
            let group = log.groups.iter().find(|group| group.name == name)?;
            group.last_delivered_id.parse::<EntryId>().ok()
        };
        let untold = tight && place(key::WEBHOOKS_GROUP).is_some_and(|told| Some(told) < place(key::PROJECTOR_GROUP));
        if untold && !self.untold {
            tracing::warn!("redis is short of memory: the log does not wait for webhooks, and some ends are not told");
        }
        self.untold = untold;
    }

    /// What the decision needs to know; `None` if there is no log yet.
    async fn look(&self) -> Result<Option<LogState>, StoreError> {
        let groups = self.store.event_groups().await?;
        let (entries, bytes) = self.store.event_log_size().await?;
        if entries == 0 {
            return Ok(None);
        }
        let (used_memory, maxmemory) = self.store.memory().await?;
        Ok(Some(LogState {
            groups,
            required: self.store.required_groups().await?,
            now_ms: self.store.now_ms().await?,
            entries,
            bytes,
            used_memory,
            maxmemory,
        }))
    }

    fn report(&mut self, trimmed: Result<u64, Held>) {
        match &trimmed {
            Ok(0) => {}
            Ok(entries) => tracing::debug!(entries, "trimmed the log"),
            Err(held) if self.reported.as_ref() == Some(held) => {}
            Err(Held::Missing(group)) => {
                tracing::warn!(%group, "the log is not trimmed: a group that must read it does not exist");
            }
            Err(Held::Unreadable(group)) => {
                tracing::warn!(%group, "the log is not trimmed: how far a group has read cannot be told");
            }
        }
        self.reported = trimmed.err();
    }
}
