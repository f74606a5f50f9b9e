//! The OpenAPI document: derived from the API, and amended where that says too little.

mod amended;
mod examples;
mod links;
mod node;
mod parameters;
mod responses;
mod schemas;

use crate::api::{self, Api};
use poem_openapi::{ExtraHeader, LicenseObject, OpenApiService};
use std::sync::LazyLock;

const DESCRIPTION: &str = "Submit tasks, watch them, read what came of them. Every answer that is not 2xx is a problem \
                           document (RFC 9457) and carries the request id of the log; its `code` is for programs, and \
                           docs/errors.md lists them all. Beside what each operation says of itself, a path that leads \
                           nowhere is answered 404 `not_found`, and a method that a path does not know 405 \
                           `method_not_allowed` with the header `Allow`. 401 and 403 are answered only where AUTH is set, \
                           421 only where it is not or ALLOWED_HOSTS is, and 429 `quota_exceeded` only where RATE_LIMIT is. Answers are JSON \
                           whatever `Accept` asks for; only event streams, metrics and pages are what their paths say.";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| amended::amend(&service().spec()));

/// The OpenAPI document of the API as indented JSON.
pub fn openapi() -> String {
    document().to_owned()
}

/// The same, made once.
pub fn document() -> &'static str {
    &DOCUMENT
}

/// The described service, before our changes to its document.
pub fn service() -> OpenApiService<Api, ()> {
    let request_id = ExtraHeader::new("X-Request-Id").description("Of this request; also in the service's log.");
    OpenApiService::new(api::all(), "Millstream", env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .license(LicenseObject::new("MIT OR Apache-2.0"))
        .server("/")
        .extra_response_header::<String, _>(request_id)
}
