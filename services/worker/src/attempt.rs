//! One attempt: the handler with its limit, and how it ended as one value, whichever way it ended.

use crate::context::Context;
use crate::executor::Shared;
use crate::handler::HandlerError;
use crate::held::{LeaseKey, fact};
use futures::FutureExt;
use proto_schemas::{FactKind, Kind, Outcome, SubtaskError, SubtaskResult, WorkEntry, limit};
use redis_store::settle::Settlement;
use serde_json::value::RawValue;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The output as JSON, or a word why not and a sentence.
type Ended = Result<String, (&'static str, String)>;

/// Runs the handler of `entry`, which must have one, and answers what is to be recorded.
pub(crate) async fn run(
    shared: &Shared,
    entry: &Arc<WorkEntry>,
    key: &LeaseKey,
    lost: &CancellationToken,
) -> Settlement {
    let handler = shared.handlers.get(&entry.kind).expect("the executor has looked it up");
    let limit = Duration::from_millis(entry.timeout_ms);
    // A child, so that a handler that never awaits can see a lost lease; the guard tells what it has spawned.
    let cancelled = lost.child_token();
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
    settlement(shared, entry, key, ended)
}

fn settlement(shared: &Shared, entry: &WorkEntry, key: &LeaseKey, ended: Ended) -> Settlement {
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
