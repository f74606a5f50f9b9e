//! For how long a task's document may have been out of date. What happens to a task shows in its document once a
//! projector has folded the facts of it.

use super::added_ms;
use futures::future::try_join_all;
use proto_schemas::TaskId;
use redis_store::tail::Folding;
use redis_store::{Store, StoreError};
use std::time::Duration;

/// Facts that wait for longer are waiting for a projector.
const BEHIND_AFTER: Duration = Duration::from_secs(10);
/// Entries that cannot be folded that are read.
const STUCK_MAX: usize = 32;

/// How long ago the oldest fact was told that may be missing in this task's document; `None` while the projectors keep
/// up. An entry that cannot be folded holds back nothing but the tasks it tells of.
pub async fn unrecorded(store: &Store, task_id: &TaskId, now_ms: u64) -> Result<Option<Duration>, StoreError> {
    let Folding { held, stuck, read } = store.folding_past_stuck().await?;
    let unread = store.log_page(&format!("({read}"), "+", 1).await?;
    let waiting = held.as_ref().or(unread.first().map(|entry| &entry.entry_id));
    let stuck = stuck.iter().take(STUCK_MAX).map(|entry_id| store.log_page(entry_id, entry_id, 1));
    let stuck = try_join_all(stuck).await?;
    let begin = format!("{task_id} ");
    let ours = stuck.iter().flatten().find(|entry| entry.lines().any(|line| line.starts_with(begin.as_bytes())));
    let oldest_ms = waiting.into_iter().chain(ours.map(|entry| &entry.entry_id)).map(|id| added_ms(id)).min();
    let age = oldest_ms.map(|ms| Duration::from_millis(now_ms.saturating_sub(ms)));
    Ok(age.filter(|age| *age > BEHIND_AFTER))
}
