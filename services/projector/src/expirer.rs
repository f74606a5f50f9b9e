//! Ends the lives of tasks. Every second it reads at most a hundred tasks whose time in `lifetimes` is over and removes
//! those that have ended, each in one script that looks again. What is past its deadline but still open stays as it is,
//! and so does what cannot be removed: it is counted, and the log is told when the number grows. If it dies, the rest
//! waits for any projector's next second.

use crate::pause::Pause;
use redis_store::expire::Expired;
use redis_store::{Store, StoreError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(1);
/// Tasks a second.
const COUNT: usize = 100;

pub(crate) struct Expirer {
    store: Store,
    /// Where the walk stands: so many of the oldest were left alone.
    left_alone: usize,
    /// The number that the log was told last.
    reported: usize,
}

impl Expirer {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, left_alone: 0, reported: 0 }
    }

    pub(crate) async fn run(mut self, shutdown: &CancellationToken) {
        let mut pause = Pause::new("expirer");
        loop {
            let done = self.run_once().await.map(|removed| {
                if removed > 0 {
                    tracing::debug!(removed, "removed tasks past their life");
                }
            });
            if !pause.until_next(done, PERIOD, shutdown).await {
                return;
            }
        }
    }

    /// Goes through one page, or starts again at the end of all pages; answers how many tasks it removed.
    async fn run_once(&mut self) -> Result<usize, StoreError> {
        let now_ms = self.store.now_ms().await?;
        let page = self.store.past_lifetimes_page(now_ms, self.left_alone, COUNT).await?;
        if page.is_empty() {
            if self.left_alone > self.reported {
                tracing::warn!(tasks = self.left_alone, "tasks are past their deadline and still open");
            }
            self.reported = std::mem::take(&mut self.left_alone);
        }
        let mut removed = 0;
        for task_id in page {
            match self.store.expire(&task_id).await {
                Ok(Expired::Removed) => removed += 1,
                Ok(Expired::Early) => {}
                Ok(Expired::Open) => self.left_alone += 1,
                Err(StoreError::WrongType(_)) => self.left_alone += 1, // `audit` names it
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }
}
