//! The lookout. A fact that may have ended a task wakes it; it asks Redis how such tasks stand, all that are due in one
//! round, however many listen, and tells the hub who has ended and who has changed. It writes nothing. If it dies,
//! feeds go on without an end.
//!
//! That a task has ended is no fact of the log: the fold computes it, a moment after the last fact of the task. So a
//! task is asked for until the projectors have folded that fact.

use super::cursor::{EntryId, NoPosition};
use super::hub::Hub;
use super::tailer::Pause;
use futures::future::try_join_all;
use proto_schemas::TaskId;
use redis_store::tail::TaskState;
use redis_store::{Store, StoreError};
use std::str::FromStr;

/// Tasks of one round.
const TASKS_MAX: usize = 256;

/// The newest entry that is folded with all before it.
pub async fn folded(store: &Store) -> Result<EntryId, StoreError> {
    let (held, read) = store.folding().await?;
    let read = id(&read)?;
    let held = held.as_deref().map(id).transpose()?;
    Ok(held.map_or(read, |held| read.min(held.before())))
}

/// Looks for ever; drop it to stop.
pub async fn run(store: Store, hub: &Hub) {
    let mut pause = Pause::default();
    loop {
        let (due, next) = hub.due(TASKS_MAX);
        if due.is_empty() {
            let until_next = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = until_next => {}
                () = hub.watched.notified() => {}
            }
            continue;
        }
        match run_once(&store, hub, &due).await {
            Ok(()) => pause = Pause::default(),
            Err(error) => {
                pause.after(&error).await;
                due.iter().for_each(|(task_id, entry)| hub.failed(task_id, *entry));
            }
        }
    }
}

async fn run_once(store: &Store, hub: &Hub, due: &[(TaskId, EntryId)]) -> Result<(), StoreError> {
    // In this order: what was folded before is seen in the states, and the facts of what they show lie before the tip.
    let folded = folded(store).await?;
    let states = try_join_all(due.iter().map(|(task_id, _)| state(store, task_id))).await?;
    let has_ended = states.iter().flatten().any(|state| state.status.is_terminal());
    let tip = if has_ended { id(&store.log_span().await?.last)? } else { EntryId::default() };
    for ((task_id, entry), state) in due.iter().zip(states) {
        match state {
            Some(state) if state.status.is_terminal() => hub.ended(task_id.clone(), state, tip),
            Some(state) => hub.open(task_id, state, *entry, *entry <= folded),
            None => hub.gone(task_id),
        }
    }
    Ok(())
}

/// Where a task stands. One whose hash a hand broke is as good as gone: it must not hold up the others of its round.
async fn state(store: &Store, task_id: &TaskId) -> Result<Option<TaskState>, StoreError> {
    match store.task_state(task_id).await {
        Err(error) if !error.is_transient() => Ok(None),
        other => other,
    }
}

/// An id of the log as Redis tells it.
pub fn id(text: &str) -> Result<EntryId, StoreError> {
    EntryId::from_str(text).map_err(|NoPosition| StoreError::Reply("events"))
}
