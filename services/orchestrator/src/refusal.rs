//! Every way to say no, and the one place that puts it into words.
//!
//! Clients see what they can act on; causes go to the log. Status policy: 400 cannot be parsed or has the wrong shape,
//! 422 refused by a rule, 413 and 415 the envelope, 429 too much work, 503 Redis.

pub mod documented;
mod foreign;

use crate::body::violation::{Class, Violations};
use crate::wire::problem::{FieldError, Problem};
use poem::error::ResponseError;
use poem::http::StatusCode;
use redis_store::StoreError;

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
    /// No task has this id.
    #[error("task not found")]
    TaskNotFound,
    /// The results of a task are too large for one answer.
    #[error("results too large for one answer")]
    ResultsTooLarge,
    /// No such path.
    #[error("no such path")]
    NoSuchPath,
    /// The path knows other methods.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// Some other fault of the request that the HTTP layer found.
    #[error("bad request")]
    BadRequest,
    /// A queue is full.
    #[error("backlog is full")]
    Overloaded,
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

/// How a refusal is put: status, code, title, detail.
struct Wording(u16, &'static str, &'static str, String);

impl Refusal {
    /// The problem document of this occurrence.
    pub fn problem(&self, request_id: &str) -> Problem {
        let Wording(status, code, title, detail) = self.wording();
        Problem {
            kind: format!("urn:problem-type:millstream:{code}"),
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
            request_id: request_id.to_owned(),
        }
    }

    /// Seconds after which trying again makes sense.
    pub fn retry_after(&self) -> Option<u32> {
        match self.wording().0 {
            429 => Some(5),
            503 => Some(1),
            _ => None,
        }
    }

    #[rustfmt::skip] // a table
    fn wording(&self) -> Wording {
        let say = |status, code, title, detail: &str| Wording(status, code, title, detail.to_owned());
        match self {
            Self::Malformed { line, column } => Wording(400, "malformed_json", "The body is not JSON",
                format!("The body is not valid JSON: see line {line}, column {column}.")),
            Self::NotUtf8 => say(400, "malformed_json", "The body is not JSON", "The body is not UTF-8 text."),
            Self::TooDeep => say(422, "too_deep", "The body nests too deep",
                "Arrays and objects may nest 32 levels deep."),
            Self::Invalid(violations) => {
                let (status, code, title) = match violations.class() {
                    Class::Shape => (400, "invalid_request", "The request is not valid"),
                    Class::Size => (413, "payload_too_large", "A part of the request is too large"),
                    Class::Rule => (422, "rule_violated", "The request is against a rule"),
                    Class::Kind => (422, "unknown_kind", "No worker serves this kind"),
                };
                Wording(status, code, title, violations.summary())
            }
            Self::UnknownTaskType(violations) =>
                Wording(400, "unknown_kind", "No worker serves this kind", violations.summary()),
            Self::BodyTooLarge => say(413, "payload_too_large", "The body is too large",
                "A body may have 1 MiB."),
            Self::BodySlow => say(408, "body_timeout", "The body did not arrive in time",
                "A body must arrive within 10 seconds."),
            Self::BodyBroken => say(400, "incomplete_body", "The body is not complete",
                "The body ended before its end."),
            Self::ContentType => say(415, "unsupported_media_type", "The media type is not supported",
                "The content type must be application/json, in UTF-8."),
            Self::ContentEncoding => say(415, "unsupported_encoding", "The content encoding is not supported",
                "A body must not be compressed."),
            Self::TaskNotFound => say(404, "task_not_found", "No such task", "Task not found"),
            Self::ResultsTooLarge => say(422, "results_too_large", "The results are too large for one answer",
                "The results of this task have more than 16 MiB together; read result:<subtask_id> one by one."),
            Self::NoSuchPath => say(404, "not_found", "No such path", "There is nothing at this path; see /docs."),
            Self::MethodNotAllowed => say(405, "method_not_allowed", "The method is not allowed",
                "This path knows other methods; see the header Allow."),
            Self::BadRequest => say(400, "bad_request", "The request cannot be read", "The request cannot be read."),
            Self::Overloaded => say(429, "overloaded", "Too much work is waiting",
                "A queue is full; try again later."),
            Self::StoreSilent | Self::Store(StoreError::Unavailable(_)) =>
                say(503, "redis_unavailable", "Redis is unavailable", "Redis unavailable"),
            Self::Store(StoreError::OutOfMemory(_)) =>
                say(503, "redis_out_of_memory", "Redis is out of memory", "Redis is out of memory; nothing was stored."),
            Self::NotReady(_) => say(503, "not_ready", "The service is not ready",
                "Something that the service needs is missing."),
            Self::Store(
                StoreError::WrongType(_) | StoreError::NoGroup(_) | StoreError::Refused(_) | StoreError::Reply(_)
                | StoreError::Document(_) | StoreError::Address,
            ) | Self::Bug(_) => say(500, "internal", "Something went wrong here",
                "The service failed; its log tells more under the request id."),
        }
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
