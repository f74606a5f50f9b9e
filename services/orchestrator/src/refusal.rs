//! Every way to say no, and the one place that puts it into words.
//!
//! Clients see what they can act on; causes go to the log. Status policy: 400 cannot be parsed or has the wrong shape,
//! 409 not in this state, 422 refused by a rule, 413, 414, 415 and 431 the envelope, 429 too much work, 503 Redis or
//! us.

pub mod documented;
mod foreign;
pub mod sample;
#[cfg(test)]
mod table;
mod wording;

use crate::body::violation::Violations;
use crate::governor::Pressure;
use crate::routes::scope::Scope;
use crate::wire::problem::{FieldError, Problem};
use poem::error::ResponseError;
use poem::http::StatusCode;
use redis_store::StoreError;
use std::time::Duration;
use wording::Wording;

/// The policy by which a client has an allowance: its name in RateLimit, RateLimit-Policy and the problem.
pub const ALLOWANCE_POLICY: &str = "default";
/// Where the sorts of problems stand that are not ours alone.
const IANA_TYPES: &str = "https://iana.org/assignments/http-problem-types";

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not JSON.
    #[error("malformed JSON")]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Not text.
    #[error("body is not UTF-8")]
    NotUtf8,
    /// Nests deeper than 32.
    #[error("body nests too deep")]
    TooDeep,
    /// Fields are wrong.
    #[error("invalid request")]
    Invalid(Violations),
    /// The typed door was asked for a kind that no worker serves.
    #[error("unknown task type")]
    UnknownTaskType(Violations),
    /// More than 1 MiB.
    #[error("body too large")]
    BodyTooLarge,
    /// A request line of more than 8 KiB.
    #[error("request line too long")]
    UriTooLong,
    /// A head of more than 16 KiB or 100 headers.
    #[error("headers too large")]
    HeadersTooLarge,
    /// Not complete in time.
    #[error("body too slow")]
    BodySlow,
    /// Ended before its end.
    #[error("body incomplete")]
    BodyBroken,
    /// Not JSON by its header.
    #[error("content type is not JSON")]
    ContentType,
    /// Compressed.
    #[error("content encoding is not supported")]
    ContentEncoding,
    /// The key of the request is not one.
    #[error("idempotency key is not valid")]
    IdempotencyKeyInvalid,
    /// The key was used for another request.
    #[error("idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The key stands for a task that has expired.
    #[error("task of the idempotency key is gone")]
    IdempotencyTaskGone,
    /// No task has this id.
    #[error("task not found")]
    TaskNotFound,
    /// The task has ended otherwise.
    #[error("task cannot be cancelled")]
    NotCancellable,
    /// The task has not ended, or runs again already.
    #[error("task cannot be replayed")]
    NotReplayable,
    /// A subtask has run again as often as it may.
    #[error("runs are exhausted")]
    RunsExhausted,
    /// No dead letter has this id.
    #[error("dead letter not found")]
    LetterNotFound,
    /// What a dead letter tells of has moved on.
    #[error("dead letter is out of date")]
    LetterGone,
    /// A dead letter holds nothing that could run.
    #[error("dead letter cannot run")]
    LetterUnfit,
    /// Not as many letters match as the client expects.
    #[error("another number of letters matches")]
    Confirmation(u64),
    /// No webhook has this id.
    #[error("webhook not found")]
    WebhookNotFound,
    /// As many webhooks are there as may be.
    #[error("too many webhooks")]
    TooManyWebhooks,
    /// The results of a task are too large for one answer.
    #[error("results too large for one answer")]
    ResultsTooLarge,
    /// It carries no valid credentials.
    #[error("not authenticated")]
    Unauthenticated,
    /// Whoever sends it lacks this scope.
    #[error("not allowed")]
    Forbidden(Scope),
    /// Whoever sends it has used up their allowance, for so long.
    #[error("throttled")]
    Throttled(Duration),
    /// It comes under a name that is not one of the API's.
    #[error("misdirected")]
    Misdirected,
    /// The task has another revision than the client wants.
    #[error("precondition failed")]
    PreconditionFailed,
    /// No such path.
    #[error("no such path")]
    NoSuchPath,
    /// The path knows other methods: these.
    #[error("method not allowed")]
    MethodNotAllowed(String),
    /// Some other fault of the request that the HTTP layer found.
    #[error("bad request")]
    BadRequest,
    /// A malformed HTTP/1.1 request.
    #[error("not HTTP/1.1: {0}")]
    NotHttp(&'static str),
    /// As many listen as may.
    #[error("too many streams")]
    TooManyStreams,
    /// Too much is waiting.
    #[error("overloaded: {0:?}")]
    Overloaded(Pressure),
    /// As many connections are served as may be.
    #[error("too many connections")]
    TooManyConnections,
    /// The limit of bodies that are read at a time is reached.
    #[error("too many bodies are being read")]
    TooManyBodies,
    /// The limit of large answers that are sent at a time is reached.
    #[error("too many large answers are being sent")]
    TooManyAnswers,
    /// Stored, and not yet on as many replicas as the settings ask for.
    #[error("not on enough replicas")]
    NotReplicated,
    /// Redis does not answer.
    #[error("redis did not answer in time")]
    StoreSilent,
    /// Redis failed.
    #[error("redis failed")]
    Store(#[from] StoreError),
    /// What the service needs and lacks.
    #[error("not ready")]
    NotReady(Vec<&'static str>),
    /// A bug, told to the log alone.
    #[error("{0}")]
    Bug(String),
}

impl Refusal {
    /// The problem document of this occurrence.
    pub fn problem(&self, request_id: &str) -> Problem {
        let Wording(status, code, title, detail) = self.wording();
        Problem {
            kind: self.kind(),
            title: title.to_owned(),
            status,
            detail,
            instance: format!("urn:ulid:{request_id}"),
            code: code.to_owned(),
            errors: self.errors(),
            missing: match self {
                Self::NotReady(missing) => Some(missing.iter().map(|name| (*name).to_owned()).collect()),
                _ => None,
            },
            violated_policies: match self {
                Self::Throttled(_) => Some(vec![ALLOWANCE_POLICY.to_owned()]),
                _ => None,
            },
            request_id: request_id.to_owned(),
        }
    }

    /// The sort as a URI: that of the draft whose headers we send where it has one
    /// (draft-ietf-httpapi-ratelimit-headers, "Problem Types"), else our own.
    fn kind(&self) -> String {
        match self {
            Self::Throttled(_) => format!("{IANA_TYPES}#quota-exceeded"),
            Self::Overloaded(_) => format!("{IANA_TYPES}#temporary-reduced-capacity"),
            _ => format!("urn:problem-type:millstream:{}", self.code()),
        }
    }

    /// The word for programs.
    pub fn code(&self) -> &'static str {
        self.wording().1
    }

    /// Seconds after which trying again makes sense.
    pub fn retry_after(&self) -> Option<u32> {
        match (self, self.wording().0) {
            (Self::Throttled(wait), _) => Some(wait.as_millis().div_ceil(1_000) as u32),
            (_, 429) => Some(5),
            (_, 503) => Some(1),
            _ => None,
        }
    }

    /// Whether the connection ends with this answer, because what is left of the request is not read.
    pub fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::BodyTooLarge | Self::BodySlow | Self::BodyBroken | Self::TooManyBodies | Self::TooManyConnections
        )
    }

    fn errors(&self) -> Option<Vec<FieldError>> {
        let (Self::Invalid(violations) | Self::UnknownTaskType(violations)) = self else { return None };
        let error = |it: &crate::body::violation::Violation| FieldError {
            pointer: it.at.as_str().to_owned(),
            detail: it.detail.clone(),
        };
        Some(violations.kept().iter().map(error).collect())
    }
}

impl ResponseError for Refusal {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.wording().0).expect("the table holds HTTP statuses")
    }
}
