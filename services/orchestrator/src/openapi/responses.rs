//! Answers: the problems of each status with an example of each of its codes, and what every header holds.

use super::node::Node;
use crate::refusal::{Refusal, sample};
use crate::routes::scope::Scope;
use crate::wire::problem::Problem;
use serde_json::{Value, json};

/// Headers as the derived document writes them, and as they are.
const NAMES: [(&str, &str); 6] = [
    ("X-REQUEST-ID", "X-Request-Id"),
    ("LOCATION", "Location"),
    ("ETAG", "ETag"),
    ("IDEMPOTENCY-REPLAYED", "Idempotency-Replayed"),
    ("PREFERENCE-APPLIED", "Preference-Applied"),
    ("RETRY-AFTER", "Retry-After"),
];
/// Refused before anybody's allowance is looked at.
const UNCOUNTED: [&str; 3] = ["414", "421", "431"];

/// What operations refer to.
pub struct Shared {
    /// An example of each code.
    pub examples: Node,
    /// The schemas.
    pub schemas: Node,
}

impl Shared {
    /// That of the document that is answered.
    fn description(&self, response: &mut Node) -> Option<Node> {
        let schema = response.at_mut(&["content", "application/json", "schema"])?;
        let name = schema.text("$ref")?.rsplit('/').next()?;
        self.schemas.get(name)?.get("description").cloned()
    }
}

/// Completes all answers of an operation of this scope.
pub fn complete(operation: &mut Node, scope: Scope, shared: &Shared) {
    let Some(responses) = operation.get_mut("responses") else { return };
    for (status, response) in responses.fields_mut() {
        if let Some(media) = response.at_mut(&["content", Problem::CONTENT_TYPE])
            && let Some(mut shown) = media.get_mut("schema").and_then(|schema| schema.take("example"))
        {
            media.set("schema", json!({ "$ref": "#/components/schemas/Problem" }));
            let problems = shown.text("problems").and_then(|text| serde_json::from_str(text).ok());
            media.set("examples", examples(problems, scope, &shared.examples));
            if let Some(description) = shown.take("description") {
                response.set_first("description", description);
            }
        }
        if response.text("description") == Some("")
            && let Some(description) = shared.description(response)
        {
            response.set_first("description", description);
        }
        let is_counted = scope != Scope::Open && !UNCOUNTED.contains(&status.as_str());
        headers(response, is_counted);
    }
}

/// An example of each code, for all operations.
pub fn shared_examples() -> Node {
    let mut examples = Node::Object(Vec::new());
    for sample in sample::ALL {
        let problem = sample().problem(sample::REQUEST_ID);
        if examples.get(&problem.code).is_none() {
            examples.set(&problem.code, example(Node::of(&problem)));
        }
    }
    examples
}

/// By code; those that look the same everywhere are only named.
fn examples(problems: Option<Node>, scope: Scope, shared: &Node) -> Node {
    let mut examples = Node::Object(Vec::new());
    let Some(Node::List(problems)) = problems else { return examples };
    for problem in problems {
        let code = problem.text("code").unwrap_or_default().to_owned();
        let whole = match code.as_str() {
            "forbidden" => example(Node::of(&Refusal::Forbidden(scope).problem(sample::REQUEST_ID))),
            _ => example(problem),
        };
        let is_shared = shared.get(&code) == Some(&whole);
        let named = json!({ "$ref": format!("#/components/examples/{code}") });
        examples.set(&code, if is_shared { named.into() } else { whole });
    }
    examples
}

/// A problem under its title.
fn example(problem: Node) -> Node {
    let title = problem.text("title").unwrap_or_default().to_owned();
    Node::Object(vec![("summary".to_owned(), title.as_str().into()), ("value".to_owned(), problem)])
}

/// Those that say the same wherever they are.
const SHARED: [(&str, &str); 5] = [
    ("X-Request-Id", "Of this request; also in the service's log."),
    ("Retry-After", "Seconds after which trying again makes sense."),
    ("WWW-Authenticate", "What to send credentials as."),
    (
        "RateLimit",
        "What is left of your allowance: `r` requests, whole again in `t` seconds. Only where RATE_LIMIT is set.",
    ),
    ("RateLimit-Policy", "Your allowance: `q` requests in `w` seconds. Only where RATE_LIMIT is set."),
];

/// Them, for all operations.
pub fn shared_headers() -> Node {
    let mut headers = Node::Object(Vec::new());
    for (name, description) in SHARED {
        let mut header = Node::Object(vec![("description".to_owned(), description.into())]);
        if !name.starts_with("RateLimit") {
            header.set("required", json!(true));
        }
        dress(name, &mut header);
        headers.set(name, header);
    }
    headers
}

fn headers(response: &mut Node, is_counted: bool) {
    let Some(headers) = response.get_mut("headers") else { return };
    if is_counted {
        headers.set("RateLimit", json!({}));
        headers.set("RateLimit-Policy", json!({}));
    }
    let Node::Object(fields) = headers else { return };
    for (name, header) in fields {
        if let Some((_, ours)) = NAMES.iter().find(|(derived, _)| derived == name) {
            (*ours).clone_into(name);
        }
        // An operation may say something of its own of one.
        let says_that = |text: &str| header.text("description").is_none_or(|own| own == text);
        match SHARED.iter().any(|(shared, text)| shared == name && says_that(text)) {
            true => *header = json!({ "$ref": format!("#/components/headers/{name}") }).into(),
            false => dress(name, header),
        }
    }
}

fn dress(name: &str, header: &mut Node) {
    header.take("deprecated"); // that it is not goes without saying
    if let Some((schema, example)) = shape(name) {
        header.set("schema", schema);
        header.set("example", example);
    }
}

/// The schema of a header of ours, and one as it may be.
fn shape(name: &str) -> Option<(Value, Value)> {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    Some(match name {
        "Location" => (text("^/"), json!("/tasks/01K5QJ0000ABCDEFGHJKMNPQRS")),
        "ETag" => (text("^\"[0-9]+(-delayed)?\"$"), json!("\"3\"")),
        "Idempotency-Replayed" => (json!({ "type": "string", "enum": ["true"] }), json!("true")),
        "Preference-Applied" => (text("^wait=[0-9]{1,2}$"), json!("wait=10")),
        "X-Request-Id" => (text("^[0-9A-HJKMNP-TV-Z]{26}$"), json!(sample::REQUEST_ID)),
        "Retry-After" => (json!({ "type": "integer", "minimum": 1 }), json!(5)),
        "WWW-Authenticate" => (json!({ "type": "string", "enum": ["Bearer"] }), json!("Bearer")),
        "RateLimit" => (text("^\"default\";r=[0-9]+;t=[0-9]+$"), json!("\"default\";r=59;t=1")),
        "RateLimit-Policy" => (text("^\"default\";q=[0-9]+;w=[0-9]+$"), json!("\"default\";q=60;w=60")),
        _ => return None,
    })
}
