//! Whether a value is what a schema of the document says: as much of JSON Schema as OpenAPI 3.0 has and the document
//! uses. A word that is not known here fails, so that none is passed over in silence.

use regex::Regex;
use serde_json::Value;

/// What says nothing about a value.
const NOTES: [&str; 7] =
    ["title", "description", "example", "default", "deprecated", "externalDocs", "x-extensible-enum"];

/// Everything that is wrong with `value` by this schema of `document`, each with its place.
pub fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, schema, (value, ""), &mut faults);
    faults
}

fn check(document: &Value, schema: &Value, (value, at): (&Value, &str), faults: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#'));
        return check(document, target.unwrap_or_else(|| panic!("{name} leads nowhere")), (value, at), faults);
    }
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        let holds = |schema: &Value| self::faults(document, schema, value).is_empty();
        let is_right = match word.as_str() {
            "items" => each(value, rule, document, (at, faults)),
            "properties" => fields(value, rule, document, (at, faults)),
            "additionalProperties" => {
                let known = |name: &String| schema["properties"].get(name).is_some();
                *rule != Value::Bool(false) || value.as_object().is_none_or(|it| it.keys().all(known))
            }
            "allOf" => list(rule).iter().all(holds),
            "oneOf" => list(rule).iter().filter(|it| holds(it)).count() == 1,
            "not" => !holds(rule),
            word if NOTES.contains(&word) => true,
            word => is_right(word, rule, value),
        };
        if !is_right {
            faults.push(format!("{at}: {value} is against {word}: {rule}"));
        }
    }
}

/// A rule about this value alone.
fn is_right(word: &str, rule: &Value, value: &Value) -> bool {
    let length = |text: &str| Some(text.chars().count() as f64);
    match word {
        "type" => is_of(rule, value),
        "enum" => list(rule).contains(value),
        "required" => value.as_object().is_none_or(|it| list(rule).iter().all(|name| it.contains_key(text(name)))),
        "pattern" => value.as_str().is_none_or(|it| Regex::new(text(rule)).expect("a pattern").is_match(it)),
        "minimum" => is_at_least(value.as_f64(), rule),
        "maximum" => is_at_most(value.as_f64(), rule),
        "minLength" => is_at_least(value.as_str().and_then(length), rule),
        "maxLength" => is_at_most(value.as_str().and_then(length), rule),
        "minItems" => is_at_least(value.as_array().map(|it| it.len() as f64), rule),
        "maxItems" => is_at_most(value.as_array().map(|it| it.len() as f64), rule),
        "format" => is_written_as(text(rule), value),
        other => panic!("{other} is not known here"),
    }
}

fn is_of(rule: &Value, value: &Value) -> bool {
    match text(rule) {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("{other} is no type"),
    }
}

fn is_written_as(format: &str, value: &Value) -> bool {
    match format {
        "date-time" => value.as_str().is_none_or(|it| {
            Regex::new(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$")
                .expect("a pattern")
                .is_match(it)
        }),
        "uint16" => value.as_u64().is_none_or(|it| u16::try_from(it).is_ok()),
        "uint32" => value.as_u64().is_none_or(|it| u32::try_from(it).is_ok()),
        "uint64" => !value.is_i64() || value.is_u64(),
        "double" | "float" => true,
        other => panic!("{other} is no format that is known here"),
    }
}

fn each(value: &Value, rule: &Value, document: &Value, (at, faults): (&str, &mut Vec<String>)) -> bool {
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, rule, (item, &format!("{at}/{place}")), faults);
    }
    true
}

fn fields(value: &Value, rule: &Value, document: &Value, (at, faults): (&str, &mut Vec<String>)) -> bool {
    for (name, schema) in rule.as_object().expect("properties") {
        if let Some(field) = value.get(name) {
            check(document, schema, (field, &format!("{at}/{name}")), faults);
        }
    }
    true
}

fn is_at_least(number: Option<f64>, rule: &Value) -> bool {
    number.is_none_or(|it| it >= rule.as_f64().expect("a number"))
}

fn is_at_most(number: Option<f64>, rule: &Value) -> bool {
    number.is_none_or(|it| it <= rule.as_f64().expect("a number"))
}

fn list(rule: &Value) -> &Vec<Value> {
    rule.as_array().expect("a list")
}

fn text(rule: &Value) -> &str {
    rule.as_str().expect("a text")
}

#[test]
fn what_is_not_as_described_is_found() {
    let document = serde_json::json!({ "components": { "schemas": { "A": { "type": "object", "required": ["n"],
        "additionalProperties": false, "properties": { "n": { "type": "integer", "minimum": 1 },
        "l": { "type": "array", "maxItems": 1, "items": { "type": "string", "pattern": "^a$" } } },
        "oneOf": [{ "required": ["l"] }, { "not": { "required": ["l"] } }] } } } });
    let schema = serde_json::json!({ "$ref": "#/components/schemas/A" });
    for (value, is_sound) in [
        (r#"{"n":1}"#, true),
        (r#"{"n":1,"l":["a"]}"#, true),
        ("{}", false),
        ("[]", false),
        (r#"{"n":0}"#, false),
        (r#"{"n":1.5}"#, false),
        (r#"{"n":"1"}"#, false),
        (r#"{"n":1,"x":1}"#, false),
        (r#"{"n":1,"l":["b"]}"#, false),
        (r#"{"n":1,"l":["a","a"]}"#, false),
    ] {
        let found = faults(&document, &schema, &serde_json::from_str(value).expect("JSON"));
        assert_eq!(found.is_empty(), is_sound, "{value}: {found:?}");
    }
}
