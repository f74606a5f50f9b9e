//! Runs one leased entry to its end: settle, bury, hand back, or nothing if the lease is lost.

use crate::context::Context;
use crate::handler::{ErasedHandler, HandlerError, Handlers};
use crate::held::{Held, LeaseKey, fact};
use futures::FutureExt;
use proto_schemas::{ConsumerName, EntryError, FactKind, Kind, Outcome, SubtaskError, SubtaskResult, WorkEntry, limit};
use redis_store::Store;
use redis_store::bury::Burial;
use redis_store::fetch::Fetched;
use redis_store::settle::Settlement;
use serde_json::value::RawValue;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

/// What the loops of one worker share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) consumer: ConsumerName,
    pub(crate) worker_id: String,
    pub(crate) handlers: Handlers,
    pub(crate) held: Held,
    pub(crate) lease: Duration,
    pub(crate) result_ttl: Duration,
}

/// How long an entry that this worker cannot run is kept before it is handed back, so that it does not spin.
const HAND_BACK_AFTER: Duration = Duration::from_secs(1);

/// Runs `fetched`; keeps its slot until the outcome waits to be settled.
pub(crate) async fn execute(
    shared: Arc<Shared>,
    fetched: Fetched,
    slot: OwnedSemaphorePermit,
    settle: mpsc::Sender<Settlement>,
    lost: CancellationToken,
) {
    let Fetched { stream, entry_id, entry } = fetched;
    let key = LeaseKey { stream, entry_id };
    match entry {
        Ok(entry) => match shared.handlers.get(&entry.kind) {
            Some(handler) => {
                let attempt = attempt(&shared, handler, Arc::new(entry), &key);
                if let Some(settlement) = lost.run_until_cancelled(attempt).await {
                    shared.held.settling(&key);
                    let _ = settle.send(settlement).await; // closed only when the worker has ended
                }
            }
            None => hand_back(&shared, &key, "no handler for its kind", &lost).await,
        },
        Err(EntryError::Newer(_)) => hand_back(&shared, &key, "written by a newer version", &lost).await,
        Err(malformed) => bury(&shared, &key, &malformed).await,
    }
    drop(slot);
}

async fn attempt(
    shared: &Shared,
    handler: Arc<dyn ErasedHandler>,
    entry: Arc<WorkEntry>,
    key: &LeaseKey,
) -> Settlement {
    let limit = Duration::from_millis(entry.timeout_ms);
    let cancelled = CancellationToken::new();
    let _stop_helpers = cancelled.clone().drop_guard();
    let ctx = Context::new(entry.clone(), key.entry_id.clone(), Instant::now() + limit, cancelled);
    let running = AssertUnwindSafe(handler.execute(&ctx, &entry.payload)).catch_unwind();
    let ended = match tokio::time::timeout(limit, running).await {
        Ok(Ok(Ok(output))) if output.len() > limit::RESULT_BYTES_MAX => {
            Err(("result_too_large", format!("the output exceeds {} bytes", limit::RESULT_BYTES_MAX)))
        }
        Ok(Ok(Ok(output))) => Ok(output),
        Ok(Ok(Err(HandlerError::Retryable(message)))) => Err(("error", message)),
        Ok(Ok(Err(HandlerError::Fatal(message)))) => Err(("fatal", message)),
        Ok(Err(_)) => Err(("panic", "the handler panicked".to_owned())),
        Err(_) => Err(("timeout", format!("no answer within {} s", limit.as_secs_f64()))),
    };
    settlement(shared, &entry, key, ended)
}

fn settlement(
    shared: &Shared,
    entry: &WorkEntry,
    key: &LeaseKey,
    ended: Result<String, (&'static str, String)>,
) -> Settlement {
    let kind = if ended.is_ok() { FactKind::Completed } else { FactKind::Failed };
    let mut fact = fact(entry, kind, &shared.consumer);
    let (output, error) = match ended {
        Ok(output) => (RawValue::from_string(output).ok(), None),
        Err((reason, mut message)) => {
            fact.reason = Kind::new(reason).ok();
            message = message.chars().take(limit::MESSAGE_CHARS_MAX).collect();
            (None, Some(SubtaskError { reason: reason.to_owned(), message }))
        }
    };
    let result = SubtaskResult {
        subtask_id: entry.subtask_id.clone(),
        task_id: entry.task_id.clone(),
        status: if error.is_none() { Outcome::Completed } else { Outcome::Failed },
        worker_id: shared.worker_id.clone(),
        completed_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        description: entry.description.clone(),
        output,
        error,
    };
    Settlement {
        stream: key.stream.clone(),
        entry_id: key.entry_id.clone(),
        subtask_id: entry.subtask_id.clone(),
        fact,
        result: serde_json::to_string(&result).ok(),
        result_ttl: entry.result_ttl_s.map_or(shared.result_ttl, Duration::from_secs),
    }
}

async fn hand_back(shared: &Shared, key: &LeaseKey, why: &str, lost: &CancellationToken) {
    if lost.run_until_cancelled(tokio::time::sleep(HAND_BACK_AFTER)).await.is_none() {
        return;
    }
    tracing::warn!(entry_id = key.entry_id, stream = %key.stream, why, "handing back");
    let ids = std::slice::from_ref(&key.entry_id);
    if let Err(error) = shared.store.hand_back(&shared.consumer, &key.stream, ids).await {
        // Its lease runs out and it is added again.
        tracing::error!(entry_id = key.entry_id, error = &error as &dyn std::error::Error, "cannot hand back");
    }
    shared.held.remove([key]);
}

async fn bury(shared: &Shared, key: &LeaseKey, malformed: &EntryError) {
    tracing::error!(entry_id = key.entry_id, stream = %key.stream, %malformed, "burying a malformed entry");
    let reason = Kind::new("malformed").expect("a valid kind");
    let burial = Burial { entry_id: key.entry_id.clone(), reason, error: malformed.to_string() };
    if let Err(error) = shared.store.bury(&shared.consumer, &key.stream, &[burial]).await {
        // Its lease runs out and the reaper buries it.
        tracing::error!(entry_id = key.entry_id, error = &error as &dyn std::error::Error, "cannot bury");
    }
    shared.held.remove([key]);
}
