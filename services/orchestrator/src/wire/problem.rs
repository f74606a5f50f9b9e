//! A problem document (RFC 9457): the body of every answer that is not 2xx.

use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Serialize;

/// A problem document (RFC 9457): why a request was not done.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct Problem {
    /// The type of the problem, a URI that need not be resolved: `urn:problem-type:millstream:` and the `code`, or one
    /// that is known beyond us.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub kind: String,
    /// The type of the problem, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, for people.
    pub detail: String,
    /// This occurrence, as a URI; ends with `request_id`.
    pub instance: String,
    /// The type of the problem, for programs. docs/errors.md lists them all; there may be more one day, so go by the
    /// status of one that you do not know.
    pub code: String,
    /// Which fields are wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<FieldError>>,
    /// What is missing, when the service is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
    /// The policies of the header `RateLimit-Policy` that the request violates.
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "violated-policies")]
    pub violated_policies: Option<Vec<String>>,
    /// Also in the header `X-Request-Id` and in the service's log.
    pub request_id: String,
}

/// One violation.
#[derive(Debug, Clone, Serialize, Object)]
pub struct FieldError {
    /// The field, as a JSON pointer; empty for the whole body.
    pub pointer: String,
    /// What is wrong, for people.
    pub detail: String,
}

impl Problem {
    /// The media type.
    pub const CONTENT_TYPE: &'static str = "application/problem+json";
}

impl Example for Problem {
    fn example() -> Self {
        let request_id = "01K5QJ0000TVWXYZ0123456789";
        let detail = "priority must be 0, 1, 2, 3 or more, or one of low, medium, high, critical";
        Self {
            kind: "urn:problem-type:millstream:invalid_request".to_owned(),
            title: "The request is not valid".to_owned(),
            status: 400,
            detail: detail.to_owned(),
            instance: format!("urn:ulid:{request_id}"),
            code: "invalid_request".to_owned(),
            errors: Some(vec![FieldError { pointer: "/priority".to_owned(), detail: detail.to_owned() }]),
            missing: None,
            violated_policies: None,
            request_id: request_id.to_owned(),
        }
    }
}
