//! What the API says when it says no, and the exit code for it.

use crate::exit::{Exit, Failure};
use crate::print::clean;
use reqwest::StatusCode;
use serde::Deserialize;
use std::fmt::Write;

/// What we read of a problem document (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    request_id: String,
    errors: Vec<FieldError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldError {
    pointer: String,
    detail: String,
}

/// Title, detail, fields and request id, a line each.
pub fn failure(status: StatusCode, body: &str) -> Failure {
    let problem: Problem = serde_json::from_str(body).unwrap_or_default();
    let title = if problem.title.is_empty() { status.to_string() } else { problem.title };
    let mut text = clean(&title);
    let is_told = problem.errors.iter().any(|error| error.detail == problem.detail);
    if !problem.detail.is_empty() && problem.detail != title && !is_told {
        let _ = write!(text, ": {}", clean(&problem.detail));
    }
    for error in &problem.errors {
        let place = if error.pointer.is_empty() { "the body" } else { &error.pointer };
        let _ = write!(text, "\n  {}: {}", clean(place), clean(&error.detail));
    }
    if !problem.request_id.is_empty() {
        let _ = write!(text, "\n  request {}", clean(&problem.request_id));
    }
    Failure::new(exit(status), text)
}

fn exit(status: StatusCode) -> Exit {
    match status.as_u16() {
        404 => Exit::NotFound,
        429 | 502..=504 => Exit::Unreachable,
        400..=499 => Exit::Usage,
        _ => Exit::Failed,
    }
}

/// The innermost cause, where the system speaks.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_fields_and_its_request() {
        let body = r#"{"title":"Bad Request","detail":"the body is refused","request_id":"R1",
            "errors":[{"pointer":"/priority","detail":"must be a number"}]}"#;
        let failure = failure(StatusCode::BAD_REQUEST, body).to_string();
        assert_eq!(failure, "Bad Request: the body is refused\n  /priority: must be a number\n  request R1");
    }

    #[test]
    fn an_answer_that_is_not_a_problem_is_told_by_its_status() {
        assert_eq!(failure(StatusCode::BAD_GATEWAY, "<html>").to_string(), "502 Bad Gateway");
        for (status, expect) in
            [(404, Exit::NotFound), (422, Exit::Usage), (503, Exit::Unreachable), (500, Exit::Failed)]
        {
            assert_eq!(exit(StatusCode::from_u16(status).unwrap()), expect);
        }
    }
}
