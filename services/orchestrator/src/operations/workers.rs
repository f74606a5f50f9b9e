//! The workers that live, each with what it has leased.

use super::added_ms;
use crate::context::Context;
use crate::refusal::Refusal;
use crate::wire::time::Timestamp;
use crate::wire::worker::{LeaseDocument, WorkerDocument, WorkerList};
use redis_store::fleet::{FleetWorker, LeasedEntry};
use redis_store::{Store, StoreError, Stream};
use std::collections::HashMap;

/// Workers that are shown.
const WORKERS_MAX: usize = 500;
/// Leases of a stream that are looked at, oldest first.
const LEASES_MAX: usize = 250;
/// Of all streams together.
const LEASES_OF_ALL_MAX: usize = 2_000;
/// Queues whose streams are looked at.
const QUEUES_MAX: usize = 100;

/// The workers, by name.
pub async fn workers(context: &Context) -> Result<WorkerList, Refusal> {
    context.ask(read(context)).await
}

async fn read(context: &Context) -> Result<WorkerList, Refusal> {
    let store = &context.store;
    let leased = context.leases.get(leased(store)).await.ok_or(Refusal::StoreSilent)?;
    let now_ms = store.now_ms().await?;
    let (fleet, total) = store.fleet(now_ms, WORKERS_MAX).await?;
    let mut by_consumer: HashMap<String, Vec<LeasedEntry>> = HashMap::new();
    for entry in leased {
        by_consumer.entry(entry.consumer.clone()).or_default().push(entry);
    }
    let documents = fleet.into_iter().map(|worker| {
        let leases = by_consumer.remove(worker.consumer.as_str()).unwrap_or_default();
        document(worker, leases, now_ms)
    });
    let mut workers: Vec<WorkerDocument> = documents.collect();
    workers.sort_by(|one, other| one.consumer.cmp(&other.consumer));
    // Whoever says nothing any more and still has leases: its work is taken over when they have run out.
    let mut silent: Vec<LeaseDocument> =
        by_consumer.into_values().flatten().map(|entry| lease(entry, now_ms)).collect();
    silent.sort_by(|one, other| one.entry_id.cmp(&other.entry_id));
    Ok(WorkerList { workers, total, unowned: silent })
}

/// One stream after the other, so that a long list of them stays short of its bound.
async fn leased(store: &Store) -> Result<Vec<LeasedEntry>, StoreError> {
    let mut queues = store.queues().await?;
    queues.sort();
    queues.truncate(QUEUES_MAX);
    let mut leased = Vec::new();
    for stream in queues.iter().flat_map(Stream::of) {
        let count = LEASES_MAX.min(LEASES_OF_ALL_MAX - leased.len());
        if count == 0 {
            break;
        }
        match store.leased(&stream, count).await {
            Ok(found) => leased.extend(found),
            Err(StoreError::WrongType(_)) => {} // `/streams` tells of it
            Err(error) => return Err(error),
        }
    }
    Ok(leased)
}

fn document(FleetWorker { consumer, beat }: FleetWorker, leases: Vec<LeasedEntry>, now_ms: u64) -> WorkerDocument {
    WorkerDocument {
        worker_id: beat.worker_id,
        consumer: consumer.to_string(),
        host: beat.host,
        pid: beat.pid,
        kinds: beat.kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect(),
        slots: beat.slots as u64,
        running: beat.running as u64,
        draining: beat.is_draining,
        heartbeat_at: Timestamp::from_ms(beat.at_ms),
        heartbeat_age_seconds: now_ms.saturating_sub(beat.at_ms) as f64 / 1_000.0,
        leases: leases.into_iter().map(|entry| lease(entry, now_ms)).collect(),
    }
}

fn lease(leased: LeasedEntry, now_ms: u64) -> LeaseDocument {
    let age_ms = now_ms.saturating_sub(added_ms(&leased.entry_id));
    let work = leased.work.as_ref();
    LeaseDocument {
        task_id: work.map(|work| work.task_id.to_string()),
        subtask_id: work.map(|work| work.subtask_id.to_string()),
        kind: work.map(|work| work.kind.to_string()),
        attempt: work.map(|work| work.attempt),
        crashes: work.map(|work| work.crashes),
        consumer: leased.consumer,
        stream: leased.stream.key(),
        entry_id: leased.entry_id,
        age_seconds: age_ms as f64 / 1_000.0,
        running_seconds: leased.started_ms.map(|at_ms| now_ms.saturating_sub(at_ms) as f64 / 1_000.0),
        idle_seconds: leased.idle_ms as f64 / 1_000.0,
        deliveries: leased.deliveries,
    }
}
