//! How an attempt is recorded: one of settle, retry and bury, decided here and nowhere else.

use crate::attempt::{Attempt, Limit, LimitCause};
use crate::handler::HandlerError;
use crate::held::fact;
use crate::recording::Recording;
use crate::shared::Shared;
use proto_schemas::{FactKind, Kind, Outcome, SubtaskError, SubtaskResult, WorkEntry, limit};
use redis_store::bury::{Burial, Owner};
use redis_store::retry::Retry;
use redis_store::settle::Settlement;
use redis_store::{Store, StoreError};
use serde_json::value::RawValue;
use std::time::Duration;
use task_core::backoff;

/// The longest pause that a handler may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_millis(limit::DELAY_MS_MAX);

/// What became of a handler.
pub(crate) enum Ended {
    /// It answered: its output as JSON, or its error.
    Answered(Result<String, HandlerError>),
    Panicked,
    /// It was stopped at its limit.
    Over(Limit),
    /// It was stopped, or not begun, because its subtask was cancelled.
    Cancelled,
}

/// What is to be recorded of an attempt.
pub(crate) enum Ending {
    Settle(Settlement),
    Retry(Retry),
    Bury(Burial),
}

/// A failed attempt: one word, a sentence, and whether another may succeed.
struct Failure {
    reason: &'static str,
    message: String,
    again: Again,
}

enum Again {
    /// After a pause that grows.
    Backoff,
    /// After the pause that the handler asked for.
    After(Duration),
    Never,
}

impl Ending {
    /// Completed and cancelled attempts settle; of the failed, the last one and one that no attempt can mend are
    /// buried, and the others tried again.
    pub(crate) fn judge(shared: &Shared, attempt: &Attempt, ended: Ended) -> Self {
        match ended {
            Ended::Answered(Ok(output)) if output.len() <= limit::RESULT_BYTES_MAX => {
                let result = result(shared, &attempt.entry, Outcome::Completed, Ok(output));
                Self::Settle(settlement(shared, attempt, FactKind::Completed, None, result))
            }
            // The record of the cancel stands: this only gives the entry back.
            Ended::Cancelled => Self::Settle(settlement(shared, attempt, FactKind::Cancelled, None, None)),
            Ended::Over(Limit { cause: LimitCause::Deadline, .. }) => {
                let error = error("deadline", "the deadline of its task was over".to_owned());
                let result = result(shared, &attempt.entry, Outcome::Cancelled, Err(error));
                Self::Settle(settlement(shared, attempt, FactKind::Cancelled, Some("deadline"), result))
            }
            Ended::Over(Limit { cause: LimitCause::Timeout, .. }) => {
                let limit = Duration::from_millis(attempt.entry.timeout_ms).as_secs_f64();
                Self::failed(shared, attempt, Failure::again("timeout", format!("no answer within {limit} s")))
            }
            Ended::Panicked => {
                Self::failed(shared, attempt, Failure::again("panic", "the handler panicked".to_owned()))
            }
            Ended::Answered(answer) => Self::failed(shared, attempt, Failure::of(answer)),
        }
    }

    fn failed(shared: &Shared, attempt: &Attempt, failure: Failure) -> Self {
        let Attempt { entry, key, .. } = attempt;
        let delay = match failure.again {
            _ if entry.attempt >= entry.max_attempts => None,
            Again::Never => None,
            Again::After(pause) => Some(pause.min(RETRY_AFTER_MAX)),
            Again::Backoff => {
                let base = Duration::from_millis(entry.backoff_base_ms.unwrap_or(limit::BACKOFF_BASE_MS));
                let cap = Duration::from_millis(entry.backoff_cap_ms.unwrap_or(limit::BACKOFF_CAP_MS));
                Some(backoff::delay(entry.attempt, base, cap, fastrand::f64()).min(RETRY_AFTER_MAX))
            }
        };
        let (stream, entry_id, reason) = (key.stream.clone(), key.entry_id.clone(), word(failure.reason));
        match delay {
            Some(delay) => Self::Retry(Retry { stream, entry_id, task_id: entry.task_id.clone(), delay, reason }),
            None => {
                let error = error(failure.reason, failure.message);
                let owner = Owner {
                    task_id: entry.task_id.clone(),
                    subtask_id: entry.subtask_id.clone(),
                    result: result(shared, entry, Outcome::Failed, Err(error.clone())),
                    result_ttl: result_ttl(shared, entry),
                };
                Self::Bury(Burial { stream, entry_id, owner: Some(owner), reason, error: error.message })
            }
        }
    }

    /// Records it by itself, outside of any batch.
    pub(crate) async fn record(self, shared: &Shared, store: &Store) -> Result<(), StoreError> {
        match self {
            Self::Settle(settlement) => record(shared, store, settlement).await,
            Self::Retry(retry) => record(shared, store, retry).await,
            Self::Bury(burial) => record(shared, store, burial).await,
        }
    }
}

async fn record<T: Recording>(shared: &Shared, store: &Store, item: T) -> Result<(), StoreError> {
    for answer in T::send(store, &shared.consumer, std::slice::from_ref(&item)).await? {
        item.tell(shared, answer);
    }
    Ok(())
}

impl Failure {
    fn again(reason: &'static str, message: String) -> Self {
        Self { reason, message, again: Again::Backoff }
    }

    fn of(answer: Result<String, HandlerError>) -> Self {
        match answer {
            Ok(_) => {
                let message = format!("the output exceeds {} bytes", limit::RESULT_BYTES_MAX);
                Self { reason: "result_too_large", message, again: Again::Never }
            }
            Err(HandlerError::Retryable(message)) => Self::again("error", message),
            Err(HandlerError::RetryAfter(pause, message)) => {
                Self { reason: "error", message, again: Again::After(pause) }
            }
            Err(HandlerError::Fatal(message)) => Self { reason: "fatal", message, again: Again::Never },
        }
    }
}

fn settlement(
    shared: &Shared,
    attempt: &Attempt,
    kind: FactKind,
    reason: Option<&'static str>,
    result: Option<String>,
) -> Settlement {
    let Attempt { entry, key, .. } = attempt;
    let mut fact = fact(entry, kind, &shared.consumer);
    fact.reason = reason.map(word);
    Settlement {
        stream: key.stream.clone(),
        entry_id: key.entry_id.clone(),
        subtask_id: entry.subtask_id.clone(),
        fact,
        result,
        result_ttl: result_ttl(shared, entry),
    }
}

/// The result as JSON text.
fn result(shared: &Shared, entry: &WorkEntry, status: Outcome, output: Result<String, SubtaskError>) -> Option<String> {
    let (output, error) = match output {
        Ok(output) => (RawValue::from_string(output).ok(), None),
        Err(error) => (None, Some(error)),
    };
    let result = SubtaskResult {
        subtask_id: entry.subtask_id.clone(),
        task_id: entry.task_id.clone(),
        status,
        worker_id: shared.worker_id.clone(),
        completed_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        description: entry.description.clone(),
        output,
        error,
    };
    serde_json::to_string(&result).ok()
}

fn result_ttl(shared: &Shared, entry: &WorkEntry) -> Duration {
    entry.result_ttl_s.map_or(shared.result_ttl, Duration::from_secs)
}

fn error(reason: &str, message: String) -> SubtaskError {
    let message = message.chars().take(limit::MESSAGE_CHARS_MAX).collect();
    SubtaskError { reason: reason.to_owned(), message }
}

fn word(reason: &'static str) -> Kind {
    Kind::new(reason).expect("the reasons of this file are valid")
}
