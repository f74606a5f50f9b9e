//! The OpenAPI document: what the derived one says, and what it cannot say.

use crate::api::{self, Api};
use poem_openapi::{ExtraHeader, OpenApiService};
use std::sync::LazyLock;

const DESCRIPTION: &str = "Submit tasks, watch them, read what came of them. Every answer that is not 2xx is a problem \
                           document (RFC 9457) and carries the request id of the log.";

/// Documents that clients send: a field they do not know is refused, which the derived schema leaves out.
const CLOSED: [&str; 10] = [
    "LetterDiscard",
    "LetterFilter",
    "LetterRequeue",
    "NewAssignment",
    "NewBackoff",
    "NewBatch",
    "NewDependency",
    "NewReplay",
    "NewSubtask",
    "NewTask",
];
/// Names as the derived document writes them, and as they are: headers not in capitals, a path with its slash.
const NAMES: [(&str, &str); 6] = [
    ("LOCATION", "Location"),
    ("ETAG", "ETag"),
    ("IDEMPOTENCY-REPLAYED", "Idempotency-Replayed"),
    ("PREFERENCE-APPLIED", "Preference-Applied"),
    ("X-REQUEST-ID", "X-Request-Id"),
    ("/assign-task", "/assign-task/"),
];

/// How clients say who they are, where they are asked.
const SECURITY: &str = r#"  "security": [
    {},
    {
      "bearer": []
    }
  ],
  "components": {
    "securitySchemes": {
      "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, as `millstream keys create` prints it, or a signed token; only where AUTH is set."
      }
    },
"#;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut text = service().spec().replacen("  \"components\": {\n", SECURITY, 1);
    for (derived, ours) in NAMES {
        text = text.replace(&format!("\"{derived}\": {{"), &format!("\"{ours}\": {{"));
    }
    for name in CLOSED {
        let head = format!("\"{name}\": {{\n        \"type\": \"object\",\n");
        text = text.replace(&head, &format!("{head}        \"additionalProperties\": false,\n"));
    }
    text + "\n"
});

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_what_the_derived_one_cannot() {
        let json: serde_json::Value = serde_json::from_str(document()).unwrap();
        for name in CLOSED {
            assert_eq!(json["components"]["schemas"][name]["additionalProperties"], false, "{name}");
        }
        let accepted = &json["paths"]["/tasks"]["post"]["responses"]["202"]["headers"];
        for name in ["Location", "ETag", "X-Request-Id"] {
            assert!(accepted[name].is_object(), "{name}");
        }
        assert!(json["paths"]["/assign-task/"]["post"].is_object());
        assert_eq!(json["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_eq!(json["security"][1]["bearer"], serde_json::json!([]));
    }
}
