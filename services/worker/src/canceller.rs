//! Stops what was cancelled. Every 500 ms, while anything runs, it asks which of the running tasks carry the hint of a
//! cancel, then which of their attempts have a record, and stops those. The hint alone stops nothing: it may be older
//! than a replay of its task. It runs on the renewer's thread, because handlers may block their own. It writes nothing:
//! the record stands already, and the settle of a stopped attempt only gives its entry back. If the process dies, the
//! next reader of the entry asks before it starts.

use crate::shared::Shared;
use proto_schemas::{TaskId, WorkEntry};
use redis_store::{Store, StoreError};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How old the answer may be.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(500);

/// Runs until it is dropped.
pub(crate) async fn run(shared: &Shared, store: &Store) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        run_once(shared, store).await;
    }
}

async fn run_once(shared: &Shared, store: &Store) {
    let (keys, entries): (Vec<_>, Vec<_>) = shared.held.running_entries().into_iter().unzip();
    let entries: Vec<&WorkEntry> = entries.iter().map(|entry| &**entry).collect();
    match cancelled_among(store, &entries).await {
        Ok(cancelled) if !cancelled.contains(&true) => {}
        Ok(cancelled) => {
            let theirs = keys.iter().zip(cancelled).filter(|(_, is_cancelled)| *is_cancelled).map(|(key, _)| key);
            let stopped = shared.held.cancel(theirs);
            tracing::info!(stopped, "[{}] stopping what was cancelled", shared.worker_id);
        }
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot ask what was cancelled yet"),
    }
}

/// The same for what is about to begin: no answer in time means that none was, and the next look stops it.
pub(crate) async fn cancelled_in_time(shared: &Shared, entries: &[&WorkEntry]) -> Vec<bool> {
    let store = shared.store.with_patience(shared.lease / 10);
    let asked = tokio::time::timeout(shared.lease / 4, cancelled_among(&store, entries)).await;
    asked.ok().and_then(Result::ok).unwrap_or_else(|| vec![false; entries.len()])
}

/// Which of `entries` were cancelled, in their order: those of a hinted task whose record stands.
pub(crate) async fn cancelled_among(store: &Store, entries: &[&WorkEntry]) -> Result<Vec<bool>, StoreError> {
    let tasks: HashSet<&TaskId> = entries.iter().map(|entry| &entry.task_id).collect();
    let hinted = store.cancelled_among(&tasks.into_iter().cloned().collect::<Vec<_>>()).await?;
    let mut places: HashMap<&TaskId, Vec<usize>> = HashMap::new();
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| hinted.contains(&entry.task_id)) {
        places.entry(&entry.task_id).or_default().push(at);
    }
    let mut cancelled = vec![false; entries.len()];
    for (task_id, places) in places {
        let subtasks: Vec<_> = places.iter().map(|at| (entries[*at].index, entries[*at].generation)).collect();
        for (at, has_ended) in places.into_iter().zip(store.ended_among(task_id, &subtasks).await?) {
            cancelled[at] = has_ended;
        }
    }
    Ok(cancelled)
}
