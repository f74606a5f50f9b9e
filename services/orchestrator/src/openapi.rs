//! The OpenAPI document: derived from the API, and amended where that says too little.

mod amended;

use crate::api::{self, Api};
use poem_openapi::{ExtraHeader, OpenApiService};
use std::sync::LazyLock;

const DESCRIPTION: &str = "Submit tasks, watch them, read what came of them. Every answer that is not 2xx is a problem \
                           document (RFC 9457) and carries the request id of the log. Answers are JSON whatever \
                           `Accept` asks for; only event streams, metrics and pages are what their paths say.";

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
        .server("/")
        .extra_response_header::<String, _>(request_id)
}
