//! What the derived document leaves out or writes otherwise, put into its text, so that its order stays that of the code.

use crate::feed::name::Name;
use crate::wire::parameter::NAME;
use serde_json::{Value, json};

/// Documents that clients send: a field they do not know is refused, which the derived schema leaves out.
pub const CLOSED: [&str; 11] = [
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
    "NewWebhook",
];
/// Operations that ask nobody who they are.
pub const OPEN: [&str; 4] = ["health", "livez", "ready", "welcome"];
/// Names as the derived document writes them, and as they are: headers not in capitals, a path with its slash.
const NAMES: [(&str, &str); 6] = [
    ("LOCATION", "Location"),
    ("ETAG", "ETag"),
    ("IDEMPOTENCY-REPLAYED", "Idempotency-Replayed"),
    ("PREFERENCE-APPLIED", "Preference-Applied"),
    ("X-REQUEST-ID", "X-Request-Id"),
    ("/assign-task", "/assign-task/"),
];
const ENTRY_ID: &str = "^[0-9]{1,19}-[0-9]{1,19}$";
const WEBHOOK_ID: &str = "^wh_[0-9A-HJKMNP-TV-Z]{26}$";
/// One entity tag, or any.
const ENTITY_TAG: &str = r#"^(\*|(W/)?"[^"]*")$"#;
/// A place in the log; the header may be empty, as some clients send it before their first message.
const POSITION: &str = r"^[0-9]{1,19}-[0-9]{1,19}\.[0-9]{1,9}(\.end)?$";
const POSITION_OR_NONE: &str = r"^([0-9]{1,19}-[0-9]{1,19}\.[0-9]{1,9}(\.end)?)?$";

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

/// The document of the service, made of the derived one.
pub fn amend(derived: &str) -> String {
    let mut text = derived.replacen("  \"components\": {\n", SECURITY, 1);
    for (derived, ours) in NAMES {
        text = text.replace(&format!("\"{derived}\": {{"), &format!("\"{ours}\": {{"));
    }
    for id in OPEN {
        let head = format!("\"operationId\": \"{id}\"");
        text = text.replace(&head, &format!("\"security\": [],\n        {head}"));
    }
    for name in CLOSED {
        let head = format!("\"{name}\": {{\n        \"type\": \"object\",\n");
        text = text.replace(&head, &format!("{head}        \"additionalProperties\": false,\n"));
    }
    text = with_variants(text, "LetterRequeue", &requeue_variants());
    text = with_variants(text, "LetterDiscard", &discard_variants());
    with_patterns(text) + "\n"
}

/// Adds patterns to what the code takes as any string and judges by itself: a malformed id in a path is an id that is not there.
fn with_patterns(mut text: String) -> String {
    for (name, pattern) in [("task_id", NAME), ("entry_id", ENTRY_ID), ("webhook_id", WEBHOOK_ID)] {
        let head = format!("\"name\": \"{name}\",\n            \"schema\": {{\n              \"type\": \"string\",\n");
        text = text.replace(&head, &format!("{head}              \"pattern\": {},\n", json!(pattern)));
    }
    let types = types_pattern();
    let others =
        [("If-Match", ENTITY_TAG), ("Last-Event-ID", POSITION_OR_NONE), ("after", POSITION), ("types", types.as_str())];
    for (name, pattern) in others {
        let head = format!("\"name\": \"{name}\",\n            \"schema\": {{\n              \"type\": \"string\"");
        text = text.replace(&head, &format!("{head},\n              \"pattern\": {}", json!(pattern)));
    }
    let ids = "\"description\": \"These, by id.\",\n            \"items\": {\n              \"type\": \"string\"";
    text.replace(ids, &format!("{ids},\n              \"pattern\": {}", json!(ENTRY_ID)))
}

/// A list of names of messages, or of beginnings of them.
fn types_pattern() -> String {
    let mut parts: Vec<&str> = vec!["*", "task.*", "subtask.*"];
    parts.extend(Name::ALL.iter().map(|name| name.as_str()));
    let part = parts.join("|").replace('.', r"\.").replace('*', r"\*");
    format!("^({part})(,({part})){{0,19}}$")
}

/// Says which fields of a document belong together; the derived schema has them all as they please.
fn with_variants(text: String, name: &str, variants: &Value) -> String {
    let head = format!("\"{name}\": {{\n        \"type\": \"object\",\n");
    let indented = serde_json::to_string_pretty(variants).unwrap_or_default().replace('\n', "\n        ");
    text.replace(&head, &format!("{head}        \"oneOf\": {indented},\n"))
}

fn requeue_variants() -> Value {
    json!([variant(&["entry_ids"], &["matching", "cursor"]), variant(&["matching"], &["entry_ids"])])
}

fn discard_variants() -> Value {
    json!([
        variant(&["entry_ids", "dry_run"], &["matching", "cursor", "until", "confirm"]),
        variant(&["entry_ids", "confirm"], &["matching", "cursor", "until", "dry_run"]),
        variant(&["matching", "dry_run"], &["entry_ids", "confirm"]),
        variant(&["matching", "confirm", "until"], &["entry_ids", "dry_run"]),
    ])
}

/// A document that has the first of these fields and none of the others.
fn variant(required: &[&str], forbidden: &[&str]) -> Value {
    let nothing = |name: &&str| ((*name).to_owned(), json!({ "not": {} }));
    let properties: serde_json::Map<String, Value> = forbidden.iter().map(nothing).collect();
    json!({ "required": required, "properties": properties })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::name::Names;
    use crate::openapi::document;
    use crate::routes::operation;
    use crate::routes::scope::Scope;

    fn parsed() -> Value {
        serde_json::from_str(document()).unwrap()
    }

    fn operations(document: &Value) -> Vec<&Value> {
        let paths = document["paths"].as_object().unwrap();
        paths.values().flat_map(|methods| methods.as_object().unwrap().values()).collect()
    }

    #[test]
    fn every_document_of_a_client_is_closed_and_names_what_belongs_together() {
        let json = parsed();
        for name in CLOSED {
            assert_eq!(json["components"]["schemas"][name]["additionalProperties"], false, "{name}");
        }
        for (name, variants) in [("LetterRequeue", 2), ("LetterDiscard", 4)] {
            let one_of = json["components"]["schemas"][name]["oneOf"].as_array().map(Vec::len);
            assert_eq!(one_of, Some(variants), "{name}");
        }
    }

    #[test]
    fn what_is_open_asks_nobody_and_the_rest_asks_for_a_bearer() {
        let json = parsed();
        assert_eq!(json["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_eq!(json["security"][1]["bearer"], json!([]));
        for described in operations(&json) {
            let id = described["operationId"].as_str().unwrap();
            let is_open = operation::all().iter().any(|known| known.id == id && known.scope == Scope::Open);
            assert_eq!(described["security"] == json!([]), is_open, "{id}");
            assert_eq!(OPEN.contains(&id), is_open, "{id}");
        }
    }

    #[test]
    fn parameters_say_their_shape() {
        let json = parsed();
        let mut seen = 0;
        for described in operations(&json) {
            for parameter in described["parameters"].as_array().into_iter().flatten() {
                let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
                let is_free = ["Prefer", "If-None-Match", "reason"].contains(&name);
                let is_filter = described["operationId"] == "list_dead_letters" && ["kind", "task_id"].contains(&name);
                let bounds = ["pattern", "minimum", "format", "minLength"];
                let is_bounded = bounds.iter().any(|bound| !schema[bound].is_null());
                assert_eq!(is_bounded, !is_free && !is_filter, "{name} of {}", described["operationId"]);
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn every_name_of_a_message_stands_in_the_pattern_of_types() {
        let pattern = types_pattern();
        for name in Name::ALL {
            assert!(pattern.contains(&name.as_str().replace('.', r"\.")), "{}", name.as_str());
            assert!(Names::read(name.as_str()).is_some());
        }
        assert!(["*", "task.*", "subtask.*"].iter().all(|part| Names::read(part).is_some()));
    }

    #[test]
    fn headers_and_paths_have_their_own_names() {
        let json = parsed();
        let accepted = &json["paths"]["/tasks"]["post"]["responses"]["202"]["headers"];
        for name in ["Location", "ETag", "X-Request-Id"] {
            assert!(accepted[name].is_object(), "{name}");
        }
        assert!(json["paths"]["/assign-task/"]["post"].is_object());
    }
}
