//! Every task, page by page, while tasks come and go.

use proto_schemas::TaskId;
use redis_store::{Store, StoreError};

const PAGE: usize = 200;

/// Walks `tasks` from the newest of its start to the oldest. What expires goes from the old end and what is submitted
/// comes at the new one, so no task that lives all the while is left out; after an expiry one may come twice.
pub(crate) struct TaskPages<'a> {
    store: &'a Store,
    left: usize,
}

impl<'a> TaskPages<'a> {
    /// Starts with the tasks that exist now.
    pub(crate) async fn start(store: &'a Store) -> Result<Self, StoreError> {
        Ok(Self { store, left: store.tasks_count().await? as usize })
    }

    /// The next page, which may be empty, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<TaskId>>, StoreError> {
        if self.left == 0 {
            return Ok(None);
        }
        let count = self.left.min(PAGE);
        self.left -= count;
        self.store.tasks_page(self.left, count).await.map(Some)
    }
}
