//! What clients read of each refusal: status, code, title, detail.

use super::Refusal;
use crate::body::violation::Class;
use crate::governor::Pressure;
use redis_store::StoreError;

/// How a refusal is put: status, code, title, detail.
pub struct Wording(pub u16, pub &'static str, pub &'static str, pub String);

impl Refusal {
    #[rustfmt::skip] // a table
    pub(super) fn wording(&self) -> Wording {
        let say = |status, code, title, detail: &str| Wording(status, code, title, detail.to_owned());
        match self {
            Self::Malformed { line, column } => Wording(400, "malformed_json", "The body is not JSON",
                format!("The body is not valid JSON: see line {line}, column {column}.")),
            Self::NotUtf8 => say(400, "malformed_json", "The body is not JSON", "The body is not UTF-8 text."),
            Self::TooDeep => say(422, "too_deep", "The body is nested too deeply",
                "Arrays and objects may nest 32 levels deep."),
            Self::Invalid(violations) => {
                let (status, code, title) = match violations.class() {
                    Class::Shape => (400, "invalid_request", "The request is not valid"),
                    Class::Size => (413, "payload_too_large", "A part of the request is too large"),
                    Class::Rule => (422, "rule_violated", "The request breaks a rule"),
                    Class::Kind => (422, "unknown_kind", "No worker serves this kind"),
                };
                Wording(status, code, title, violations.summary())
            }
            Self::UnknownTaskType(violations) =>
                Wording(400, "unknown_kind", "No worker serves this kind", violations.summary()),
            Self::BodyTooLarge => say(413, "payload_too_large", "The body is too large",
                "A body must not be larger than 1 MiB."),
            Self::UriTooLong => say(414, "uri_too_long", "The request line is too long",
                "A request line must not be longer than 8 KiB."),
            Self::HeadersTooLarge => say(431, "headers_too_large", "The headers are too large",
                "A request may have at most 100 headers, and 16 KiB before its body."),
            Self::BodySlow => say(408, "body_timeout", "The body did not arrive in time",
                "A body must arrive within 10 seconds."),
            Self::BodyBroken => say(400, "incomplete_body", "The body is not complete",
                "The body is shorter than was announced."),
            Self::ContentType => say(415, "unsupported_media_type", "The media type is not supported",
                "The content type must be application/json, in UTF-8."),
            Self::ContentEncoding => say(415, "unsupported_encoding", "The content encoding is not supported",
                "A body must not be compressed."),
            Self::IdempotencyKeyInvalid => say(400, "idempotency_key_invalid", "The Idempotency-Key is not valid",
                "An Idempotency-Key is one header of 1 to 255 characters: a string in double quotes, or a token."),
            Self::IdempotencyKeyReused => say(422, "idempotency_key_reused", "The Idempotency-Key was used before",
                "This Idempotency-Key stands for another request; take a new one."),
            Self::IdempotencyTaskGone => say(409, "idempotency_task_gone", "The task has expired",
                "The task that this Idempotency-Key stands for was stored and has expired; take a new key to run it again."),
            Self::NotCancellable => say(409, "not_cancellable", "The task has ended",
                "The task has completed or failed, so there is nothing to cancel."),
            Self::NotReplayable => say(409, "not_replayable", "The task cannot run again now",
                "The task has not ended, or was made to run again a moment ago."),
            Self::RunsExhausted => say(409, "runs_exhausted", "The task has run again too often",
                "A subtask may run again at most 100 times; submit a new task."),
            Self::LetterNotFound => say(404, "dead_letter_not_found", "No such dead letter", "Dead letter not found"),
            Self::LetterGone => say(409, "gone", "The dead letter is out of date",
                "Its subtask has run again since, or its end is not recorded yet."),
            Self::LetterUnfit => say(409, "unfit", "The dead letter cannot run",
                "What is left in it is not an entry that a worker could run; it can only be discarded."),
            Self::Confirmation(matched) => Wording(409, "confirmation", "The number of matching dead letters has changed",
                format!("{matched} dead letters match now; repeat with this number in confirm.")),
            Self::TaskNotFound => say(404, "task_not_found", "No such task", "Task not found"),
            Self::WebhookNotFound => say(404, "webhook_not_found", "No such webhook", "Webhook not found"),
            Self::TooManyWebhooks => say(409, "too_many_webhooks", "There are too many webhooks",
                "There may be at most 100 webhooks; delete one first."),
            Self::ResultsTooLarge => say(422, "results_too_large", "The results are too large for one answer",
                "The results of this task have more than 16 MiB together; read result:<subtask_id> one by one."),
            Self::Unauthenticated => say(401, "unauthenticated", "Authentication is required",
                "Send a valid API key or token as Authorization: Bearer."),
            Self::Forbidden(scope) => Wording(403, "forbidden", "Not permitted",
                format!("This operation needs the scope {}.", scope.as_str())),
            Self::Throttled(_) => say(429, "quota_exceeded", "The rate limit is exceeded",
                "Too many requests; Retry-After says when the next is allowed."),
            Self::Misdirected => say(421, "misdirected", "The Host header is not allowed",
                "The API does not answer to this host name; the setting ALLOWED_HOSTS lists those that it answers to."),
            Self::PreconditionFailed => say(412, "precondition_failed", "The task has changed",
                "The task is not at the revision that If-Match names; read it again."),
            Self::NoSuchPath => say(404, "not_found", "No such path", "There is nothing at this path; see /docs."),
            Self::MethodNotAllowed(_) => say(405, "method_not_allowed", "The method is not allowed",
                "The Allow header lists the methods of this path."),
            Self::BadRequest => say(400, "bad_request", "The request cannot be read", "The request cannot be read."),
            Self::NotHttp(detail) => say(400, "bad_request", "The request cannot be read", detail),
            Self::TooManyStreams => say(429, "too_many_streams", "Too many streams are open",
                "The limit of open event streams is reached; close some, or try again later."),
            Self::Overloaded(pressure) => say(429, "overloaded", "Too much work is waiting", match pressure {
                Pressure::Backlog => "A queue is full; try again later.",
                Pressure::Memory => "Redis uses more than 80 % of its memory; try again later.",
                Pressure::Unfolded => "The projectors are too far behind; try again later.",
            }),
            Self::TooManyConnections => say(503, "too_many_connections", "Too many connections are open",
                "The limit of open connections is reached; try again later."),
            Self::TooManyBodies => say(503, "too_many_bodies", "Too many bodies are being read",
                "The limit of bodies that are read at a time is reached; try again later."),
            Self::TooManyAnswers => say(503, "too_many_answers", "Too many large answers are being sent",
                "The limit of large answers that are sent at a time is reached; try again later, or ask for less."),
            Self::NotReplicated => say(503, "not_replicated", "Not enough replicas have stored it",
                "Stored, but not yet on as many replicas as the settings ask for; repeat with the same Idempotency-Key."),
            Self::StoreSilent | Self::Store(StoreError::Unavailable(_)) =>
                say(503, "redis_unavailable", "Redis is unavailable", "Redis unavailable"),
            Self::Store(StoreError::OutOfMemory(_)) =>
                say(503, "redis_out_of_memory", "Redis is out of memory", "Redis is out of memory; nothing was stored."),
            Self::NotReady(_) => say(503, "not_ready", "The service is not ready",
                "Something that the service needs is missing."),
            Self::Store(
                StoreError::WrongType(_) | StoreError::NoGroup(_) | StoreError::Refused(_) | StoreError::Reply(_)
                | StoreError::Document(_) | StoreError::Address,
            ) | Self::Bug(_) => say(500, "internal", "Internal error",
                "The service failed; its log has the cause under the request id."),
        }
    }
}
