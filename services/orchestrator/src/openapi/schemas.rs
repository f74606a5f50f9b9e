//! What the derived schemas leave out: that a field that nobody knows is refused, which fields belong together, and the
//! codes that a problem has today.

use super::node::Node;
use crate::refusal::sample;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Documents that clients send: a field they do not know is refused.
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
/// The id of an entry of a stream.
pub const ENTRY_ID: &str = "^[0-9]{1,19}-[0-9]{1,19}$";

/// Completes the schemas.
pub fn complete(schemas: &mut Node) {
    for name in CLOSED {
        if let Some(schema) = schemas.get_mut(name) {
            set_second(schema, "additionalProperties", json!(false));
        }
    }
    for (name, variants) in [("LetterRequeue", requeue_variants()), ("LetterDiscard", discard_variants())] {
        if let Some(schema) = schemas.get_mut(name) {
            set_second(schema, "oneOf", variants);
        }
        if let Some(ids) = schemas.at_mut(&[name, "properties", "entry_ids", "items"]) {
            ids.set("pattern", ENTRY_ID);
        }
    }
    // No enumeration: a client that was made of one would break with the first code that is new to it.
    if let Some(code) = schemas.at_mut(&["Problem", "properties", "code"]) {
        code.set("x-extensible-enum", json!(codes()));
    }
    let all = schemas.clone();
    for (name, schema) in schemas.fields_mut() {
        if let Some(example) = schema.get_mut("example") {
            order(example, &all, name);
        }
    }
}

/// Every code, by name.
pub fn codes() -> BTreeSet<&'static str> {
    sample::ALL.iter().map(|sample| sample().code()).collect()
}

/// Behind the type.
fn set_second(schema: &mut Node, name: &str, value: Value) {
    if let Node::Object(fields) = schema {
        fields.insert(1.min(fields.len()), (name.to_owned(), value.into()));
    }
}

/// Has an example in the order of the fields of its schema, as an answer is: the derived one has them by name.
fn order(example: &mut Node, all: &Node, name: &str) {
    let Some(properties) = all.get(name).and_then(|schema| schema.get("properties")) else { return };
    let Node::Object(fields) = example else { return };
    fields.sort_by_key(|(name, _)| properties.fields().iter().position(|(known, _)| known == name));
    for (name, field) in fields {
        let Some(schema) = properties.get(name) else { continue };
        match field {
            Node::List(items) => items.iter_mut().for_each(|item| order(item, all, named(schema.get("items")))),
            field => order(field, all, named(Some(schema))),
        }
    }
}

/// The schema that this one refers to, alone or with a description beside it.
fn named(schema: Option<&Node>) -> &str {
    let Some(schema) = schema else { return "" };
    let first = match schema.get("allOf") {
        Some(Node::List(parts)) => parts.first(),
        _ => None,
    };
    first.unwrap_or(schema).text("$ref").and_then(|path| path.rsplit('/').next()).unwrap_or_default()
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
