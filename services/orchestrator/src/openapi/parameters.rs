//! Parameters as the code judges them by itself: it takes any string of some, so the derived document knows no pattern.

use super::node::Node;
use crate::api::TYPES_BYTES_MAX;
use crate::feed::name::Name;
use crate::wire::parameter::{NAME, PAGE_ITEMS_DEFAULT};
use serde_json::{Value, json};

const ENTRY_ID: &str = super::schemas::ENTRY_ID;
const WEBHOOK_ID: &str = "^wh_[0-9A-HJKMNP-TV-Z]{26}$";
/// One entity tag, or any.
const ENTITY_TAG: &str = r#"^(\*|(W/)?"[^"]*")$"#;
/// A place in the log; the header may be empty, as some clients send it before their first message.
const POSITION: &str = r"^[0-9]{1,19}-[0-9]{1,19}\.[0-9]{1,9}(\.end)?$";
const POSITION_OR_NONE: &str = r"^([0-9]{1,19}-[0-9]{1,19}\.[0-9]{1,9}(\.end)?)?$";

/// Says of each parameter its shape, and shows one; a malformed id in a path is an id that is not there.
pub fn shape(operation: &mut Node) {
    let id = operation.text("operationId").unwrap_or_default().to_owned();
    let Some(parameters) = operation.get_mut("parameters") else { return };
    for parameter in parameters.items_mut() {
        let name = parameter.text("name").unwrap_or_default().to_owned();
        let is_path = parameter.text("in") == Some("path");
        if let (Some(pattern), Some(schema)) = (pattern(&name, is_path), parameter.get_mut("schema")) {
            schema.set("pattern", pattern.as_str());
        }
        let more = match name.as_str() {
            "limit" => Some(("default", PAGE_ITEMS_DEFAULT)),
            "types" => Some(("maxLength", TYPES_BYTES_MAX)),
            _ => None,
        };
        if let (Some((word, number)), Some(schema)) = (more, parameter.get_mut("schema")) {
            schema.set(word, json!(number));
        }
        if !is_path {
            parameter.set("example", example(&name, &id));
        }
        // What these say by standing there is what holds without them.
        parameter.take("deprecated");
        parameter.take("explode");
    }
}

fn pattern(name: &str, is_path: bool) -> Option<String> {
    let pattern = match name {
        "task_id" if is_path => NAME,
        "entry_id" => ENTRY_ID,
        "webhook_id" => WEBHOOK_ID,
        "If-Match" => ENTITY_TAG,
        "Last-Event-ID" => POSITION_OR_NONE,
        "after" => POSITION,
        "types" => return Some(types_pattern()),
        _ => return None,
    };
    Some(pattern.to_owned())
}

fn example(name: &str, operation_id: &str) -> Value {
    match name {
        "Idempotency-Key" => json!("\"8e03978e-40d5-43dd-bc93-6894a57f9324\""),
        "Prefer" => json!("wait=10"),
        "If-Match" | "If-None-Match" => json!("\"3\""),
        "Last-Event-ID" | "after" => json!("1790000002004-0.0"),
        "types" => json!("task.*,subtask.failed"),
        "status" => json!("queued,processing"),
        "kind" => json!("simulate"),
        "since" => json!("2026-09-21T14:13:20Z"),
        "error" | "reason" => json!("timeout"),
        "limit" => json!(20),
        "cursor" if operation_id == "list_tasks" => json!("1790000000000.01K5QJ0000ABCDEFGHJKMNPQRS"),
        "cursor" => json!("1790000009000-0"),
        _ => json!("01K5QJ0000ABCDEFGHJKMNPQRS"),
    }
}

/// A list of names of messages, or of beginnings of them.
pub fn types_pattern() -> String {
    let mut parts: Vec<&str> = vec!["*", "task.*", "subtask.*"];
    parts.extend(Name::ALL.iter().map(|name| name.as_str()));
    let part = parts.join("|").replace('.', r"\.").replace('*', r"\*");
    format!("^({part})(,({part}))*$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::name::Names;

    #[test]
    fn every_name_of_a_message_stands_in_the_pattern_of_types() {
        let pattern = types_pattern();
        for name in Name::ALL {
            assert!(pattern.contains(&name.as_str().replace('.', r"\.")), "{}", name.as_str());
            assert!(Names::read(name.as_str()).is_some());
        }
        assert!(["*", "task.*", "subtask.*"].iter().all(|part| Names::read(part).is_some()));
    }
}
