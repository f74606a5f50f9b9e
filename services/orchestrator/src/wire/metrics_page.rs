//! What this service counts, in the text format of Prometheus, as a response.

use poem::http::header;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use telemetry::registry::CONTENT_TYPE;

/// The page that Prometheus reads.
pub struct MetricsPage(pub String);

impl IntoResponse for MetricsPage {
    fn into_response(self) -> Response {
        Response::builder().header(header::CONTENT_TYPE, CONTENT_TYPE).body(self.0)
    }
}

impl ApiResponse for MetricsPage {
    fn meta() -> MetaResponses {
        let schema = MetaSchema { example: Some(EXAMPLE.into()), ..MetaSchema::new("string") };
        let schema = MetaSchemaRef::Inline(Box::new(schema));
        let response = MetaResponse {
            description: "Every metric of docs/metrics.md that this service has, in the text format of Prometheus.",
            status: Some(200),
            status_range: None,
            content: vec![MetaMediaType { content_type: CONTENT_TYPE, schema }],
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_: &mut Registry) {}
}

const EXAMPLE: &str = "# HELP millstream_dead_letters Dead letters.\n\
                       # TYPE millstream_dead_letters gauge\nmillstream_dead_letters 1\n";
