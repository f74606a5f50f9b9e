//! The document as a promise: every answer that a test is given is held against what it says of the operation. Status,
//! code of a problem, headers and body have to be declared, whatever the test itself is about.

use crate::schema::faults;
use crate::stage::Answer;
use serde_json::Value;
use std::sync::LazyLock;

/// Headers of ours; the rest is about the connection, or the same everywhere for safety.
const HEADERS: [&str; 10] = [
    "Allow",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
];

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&orchestrator::openapi()).expect("the document is JSON"));

/// Panics if this answer to this request is not as described. What leads nowhere is described by nothing.
#[track_caller]
pub fn hold(method: &str, target: &str, answer: &Answer) {
    let Some(operation) = operation(method, target) else { return };
    let place = format!("{method} {target}: {}", answer.status);
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{place} is not declared: {}", answer.text);
    for name in HEADERS {
        let is_there = answer.headers.contains_key(name);
        let declared = resolved(&response["headers"][name]);
        assert!(!is_there || declared.is_object(), "{place} has {name}, which is not declared");
        assert!(is_there || declared["required"] != true, "{place} lacks {name}");
        if is_there && declared["schema"]["type"] == "string" {
            let found = faults(&DOCUMENT, &declared["schema"], &Value::from(answer.header(name)));
            assert!(found.is_empty(), "{place}, {name}: {found:?}");
        }
    }
    let Some(content) = response["content"].as_object() else {
        return assert!(answer.text.is_empty(), "{place} has a body, which is not declared");
    };
    let (media, described) = content.iter().next().expect("one media type");
    assert_eq!(answer.header("content-type"), media, "{place}");
    let value = if media.contains("json") { answer.json() } else { answer.text.as_str().into() };
    let found = faults(&DOCUMENT, &described["schema"], &value);
    assert!(found.is_empty(), "{place}: {found:?}");
    if media.contains("problem") {
        let code = value["code"].as_str().expect("a code");
        assert!(described["examples"][code].is_object(), "{place} {code} is not declared");
    }
}

/// What this one leads to; a path of its own goes before one with a parameter.
fn operation(method: &str, target: &str) -> Option<&'static Value> {
    let path = target.split('?').next().unwrap_or_default();
    let path = if path == "/assign-task" { "/assign-task/" } else { path };
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let found = paths.get(path).or_else(|| paths.iter().find(|(template, _)| is_of(template, path)).map(|it| it.1));
    found?.get(method.to_ascii_lowercase())
}

fn is_of(template: &str, path: &str) -> bool {
    let fits = |(known, part): (&str, &str)| known == part || (known.starts_with('{') && !part.is_empty());
    template.split('/').count() == path.split('/').count() && template.split('/').zip(path.split('/')).all(fits)
}

fn resolved(node: &Value) -> &Value {
    match node["$ref"].as_str() {
        Some(name) => DOCUMENT.pointer(name.trim_start_matches('#')).expect("it leads somewhere"),
        None => node,
    }
}

/// The example of a media type, or of the schema that it names.
fn examples(media: &Value) -> Vec<&Value> {
    let own = media["examples"].as_object().into_iter().flat_map(|it| it.values()).map(|it| &resolved(it)["value"]);
    let own: Vec<&Value> = own.chain(media.get("example")).collect();
    if own.is_empty() { resolved(&media["schema"]).get("example").into_iter().collect() } else { own }
}

#[test]
fn every_request_and_every_answer_has_an_example_that_is_as_its_schema_says() {
    let mut seen = 0;
    let mut check = |place: String, media: &Value| {
        let examples = examples(media);
        assert!(!examples.is_empty(), "{place} has no example");
        for example in examples {
            let found = faults(&DOCUMENT, &media["schema"], example);
            assert!(found.is_empty(), "{place}: {found:?}");
            let is_problem = media["schema"]["$ref"] == "#/components/schemas/Problem";
            assert!(!is_problem || place.ends_with(&example["status"].to_string()), "{place}: {example}");
            seen += 1;
        }
    };
    for (path, methods) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            if let Some(media) = operation["requestBody"]["content"].get("application/json") {
                check(format!("{method} {path}"), media);
            }
            for (status, response) in operation["responses"].as_object().expect("responses") {
                assert!(
                    response["description"].as_str().is_some_and(|it| it.ends_with('.')),
                    "{method} {path} {status}"
                );
                for media in response["content"].as_object().into_iter().flat_map(|it| it.values()) {
                    check(format!("{method} {path} {status}"), media);
                }
            }
        }
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn every_parameter_and_every_header_is_described_and_shows_one() {
    for (path, methods) in DOCUMENT["paths"].as_object().expect("paths") {
        for operation in methods.as_object().expect("methods").values() {
            let headers = operation["responses"].as_object().expect("responses").values();
            let headers = headers.flat_map(|it| it["headers"].as_object().expect("headers").values()).map(resolved);
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for described in parameters.chain(headers) {
                let schema = &described["schema"];
                assert!(described["description"].as_str().is_some_and(|it| !it.is_empty()), "{path}: {described}");
                let example = described.get("example").or(schema.get("example")).unwrap_or(&Value::Null);
                let found = faults(&DOCUMENT, schema, example);
                assert!(found.is_empty(), "{path}, {}: {found:?}", described["name"]);
            }
        }
    }
}

#[test]
fn every_link_leads_from_a_field_of_the_answer_to_a_parameter() {
    let operations = || DOCUMENT["paths"].as_object().expect("paths").values().filter_map(Value::as_object);
    let find = |id: &Value| operations().flat_map(|it| it.values()).find(|it| it["operationId"] == *id);
    let mut seen = 0;
    for operation in operations().flat_map(|it| it.values()) {
        for response in operation["responses"].as_object().expect("responses").values() {
            for link in response["links"].as_object().into_iter().flat_map(|it| it.values()) {
                let target = find(&link["operationId"]).unwrap_or_else(|| panic!("{link} leads nowhere"));
                for (name, place) in link["parameters"].as_object().expect("parameters") {
                    let parameters = target["parameters"].as_array().expect("parameters");
                    assert!(parameters.iter().any(|it| it["name"] == *name), "{link}");
                    let place = place.as_str().and_then(|it| it.strip_prefix("$response.body#")).expect("a place");
                    let example = examples(&response["content"]["application/json"]);
                    assert!(example[0].pointer(place).is_some(), "{link}: {}", example[0]);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 30, "{seen}");
}
