//! API-1: the description for machines and for people, offline.

use crate::stage::stage;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn document() -> Value {
    serde_json::from_str(&orchestrator::openapi()).expect("JSON")
}

/// Every operation with its path and method.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

#[test]
fn the_checked_in_document_is_the_one_that_is_served() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let kept: Value =
        std::fs::read_to_string(file).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    assert!(kept == document(), "docs/openapi.json is not what the code describes: run `make openapi`");
}

#[test]
fn every_operation_is_named_tagged_exemplified_and_tells_its_problems() {
    let document = document();
    let mut ids = BTreeSet::new();
    let mut expected = BTreeSet::from([
        "post /tasks",
        "get /tasks/{task_id}",
        "get /tasks/{task_id}/events",
        "get /events",
        "post /assign-task/",
        "post /tasks/{task_id}/cancel",
        "post /tasks/{task_id}/replay",
        "get /result/{task_id}",
        "get /tasks",
        "post /tasks/batch",
        "get /tasks/{task_id}/why",
        "get /streams",
        "get /workers",
        "get /dead-letters",
        "get /dead-letters/{entry_id}",
        "post /dead-letters/{entry_id}/requeue",
        "post /dead-letters/requeue",
        "post /dead-letters/discard",
        "post /webhooks",
        "get /webhooks",
        "get /webhooks/{webhook_id}",
        "delete /webhooks/{webhook_id}",
        "post /webhooks/{webhook_id}/rotate-secret",
        "get /kinds",
        "get /",
        "get /health",
        "get /livez",
        "get /ready",
        "get /metrics",
    ]);
    for (name, operation) in operations(&document) {
        assert!(expected.remove(name.as_str()), "{name} is not an endpoint that is known here");
        assert!(ids.insert(operation["operationId"].as_str().expect("an id").to_owned()), "{name}");
        assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{name}");
        for part in ["summary", "description"] {
            assert!(operation[part].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {part}");
        }
        if operation["requestBody"].is_object() {
            exemplified(&document, &operation["requestBody"]["content"]["application/json"]["schema"], &name);
        }
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let place = format!("{name} {status}");
            match (status.as_str(), &response["content"]) {
                ("204" | "304", content) => assert!(content.is_null(), "{place}"),
                ("200", content) if name.ends_with("/events") => {
                    assert!(content["text/event-stream"]["schema"]["example"].is_string(), "{place}");
                }
                ("200", content) if name == "get /metrics" => {
                    let media = &content["text/plain; version=0.0.4; charset=utf-8"];
                    assert!(media["schema"]["example"].is_string(), "{place}");
                }
                (status, content) => {
                    let media = if status.starts_with('2') { "application/json" } else { "application/problem+json" };
                    exemplified(&document, &content[media]["schema"], &place);
                }
            }
            assert!(response["headers"]["X-Request-Id"].is_object(), "{name} {status}");
        }
        let statuses: Vec<&str> =
            operation["responses"].as_object().expect("responses").keys().map(String::as_str).collect();
        let always = ["400", "414", "431", "500", "503"];
        assert!(always.iter().all(|status| statuses.contains(status)), "{name}: {statuses:?}");
        let problems: &[&str] = match name.as_str() {
            "post /tasks" | "post /assign-task/" => &["400", "408", "413", "415", "422", "429", "500", "503"],
            "post /tasks/batch" => &["400", "408", "413", "415", "422", "500", "503"],
            "post /dead-letters/{entry_id}/requeue" => &["404", "409", "500", "503"],
            "post /tasks/{task_id}/cancel" => &["404", "409", "412", "500", "503"],
            "post /tasks/{task_id}/replay" => &["400", "404", "408", "409", "412", "413", "415", "422", "500", "503"],
            "post /dead-letters/requeue" => &["400", "408", "413", "415", "422", "429", "503"],
            "post /dead-letters/discard" => &["400", "408", "409", "413", "415", "422", "503"],
            "get /tasks" | "get /dead-letters" | "get /streams" | "get /workers" => &["400", "500", "503"],
            "post /webhooks" => &["400", "408", "409", "413", "415", "422", "503"],
            "get /webhooks/{webhook_id}" | "delete /webhooks/{webhook_id}" => &["400", "404", "500", "503"],
            "get /tasks/{task_id}/why" => &["400", "404", "500", "503"],
            "get /dead-letters/{entry_id}" => &["404", "500", "503"],
            "get /tasks/{task_id}" => &["404", "500", "503"],
            "get /tasks/{task_id}/events" => &["204", "400", "404", "429", "500", "503"],
            "get /events" => &["400", "429", "500", "503"],
            "get /result/{task_id}" => &["404", "422", "500", "503"],
            "get /ready" => &["500", "503"],
            _ => &[],
        };
        assert!(problems.iter().all(|status| statuses.contains(status)), "{name}: {statuses:?}");
    }
    assert_eq!(document["servers"][0]["url"], "/");
    assert!(expected.is_empty(), "not described: {expected:?}");
}

#[track_caller]
fn exemplified(document: &Value, schema: &Value, place: &str) {
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    assert!(document["components"]["schemas"][name]["example"].is_object(), "{place}: {schema}");
}

#[tokio::test]
async fn the_examples_of_requests_are_accepted_and_answers_have_the_described_fields() {
    let stage = stage().await;
    let document = document();
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let submitted = stage.post("/tasks", schema("NewTask")["example"].to_string()).await;
    assert_eq!(submitted.status, 202, "{}", submitted.text);
    let task = submitted.json();
    let assigned = stage.post("/assign-task/", schema("NewAssignment")["example"].to_string()).await.json();
    let result = stage.get(&format!("/result/{}", task["task_id"].as_str().expect("an id"))).await.json();
    let garbage = ["XADD", "subtasks:default:medium", "*", "task_id", "T", "subtask_id", "T-0", "payload", "{}"];
    stage.redis.command(&garbage);
    let entries = stage.fetch(10).await;
    let broken = entries.iter().find(|fetched| fetched.entry.is_err()).expect("an entry without description");
    let letter = stage.bury(broken, "malformed").await;
    let selected = |name: &str| schema(name)["example"].to_string();
    let letters = stage.get("/dead-letters").await.json();
    let whole = stage.get(&format!("/dead-letters/{letter}")).await.json();
    let requeued = stage.post("/dead-letters/requeue", selected("LetterRequeue")).await.json();
    let discarded = stage.post("/dead-letters/discard", selected("LetterDiscard")).await.json();
    let kinds = stage.get("/kinds").await.json();
    let batch = stage.post("/tasks/batch", schema("NewBatch")["example"].to_string()).await.json();
    let tasks = stage.get("/tasks").await.json();
    let id = task["task_id"].as_str().expect("an id");
    let why = stage.get(&format!("/tasks/{id}/why")).await.json();
    let streams = stage.get("/streams").await.json();
    let medium = &streams["streams"][2];
    let workers = stage.get("/workers").await.json();
    for (name, answer) in [
        ("LetterList", &letters),
        ("LetterSummary", &letters["dead_letters"][0]),
        ("LetterDocument", &whole),
        ("LetterField", &whole["fields"][0]),
        ("RequeuedLetters", &requeued),
        ("Discarded", &discarded),
        ("KindList", &kinds),
        ("KindDocument", &kinds["kinds"][0]),
        ("BatchAnswer", &batch),
        ("BatchResult", &batch["tasks"][0]),
        ("TaskList", &tasks),
        ("TaskSummary", &tasks["tasks"][0]),
        ("Explanation", &why),
        ("WaitDocument", &why["waits"][0]),
        ("StreamList", &streams),
        ("StreamDocument", medium),
        ("GroupDocument", &medium["groups"][0]),
        ("StreamConsumerDocument", &medium["groups"][0]["consumers"][0]),
        ("WorkerList", &workers),
        ("LeaseDocument", &workers["unowned"][0]),
        ("TaskDocument", &task),
        ("SubtaskDocument", &task["subtasks"][0]),
        ("TaskLinks", &task["links"]),
        ("Assignment", &assigned),
        ("ResultDocument", &result),
        ("Welcome", &stage.get("/").await.json()),
        ("Health", &stage.get("/health").await.json()),
        ("Ready", &stage.get("/ready").await.json()),
        ("Problem", &stage.get("/nowhere").await.json()),
    ] {
        let schema = schema(name);
        let (described, answered) = (schema["properties"].as_object(), answer.as_object());
        let (described, answered) = (described.expect("properties"), answered.expect("an object"));
        for field in answered.keys() {
            assert!(described.contains_key(field), "{name}.{field} is answered and not described");
        }
        for field in schema["required"].as_array().expect("required fields") {
            assert!(answered.contains_key(field.as_str().expect("a name")), "{name}.{field} is required and absent");
        }
    }
}

#[tokio::test]
async fn the_pages_need_no_other_host() {
    let stage = stage().await;
    for (path, mark) in [("/docs", "SwaggerUIBundle({"), ("/redoc", "Redoc.init(")] {
        let page = stage.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(page.text.contains(mark) && page.text.contains("\"operationId\": \"submit_task\""), "{path}");
        assert!(page.text.contains("\"additionalProperties\": false"), "{path} shows the served document");
        let loads = outside_scripts(&page.text);
        for attribute in ["src=", "href=", "url(", "@import"] {
            for (at, _) in loads.match_indices(attribute) {
                let value = loads[at + attribute.len()..].trim_start_matches(['"', '\'', ' ']);
                assert!(
                    !value.starts_with("http") && !value.starts_with("//"),
                    "{path} loads {}",
                    &value[..60.min(value.len())]
                );
            }
        }
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{policy}");
    }
    let spec = stage.get("/openapi.json").await;
    assert_eq!((spec.status, spec.header("content-type")), (200, "application/json"));
    assert_eq!(spec.text, orchestrator::openapi());
}

/// The page without the text of its scripts: what the browser itself would load.
fn outside_scripts(html: &str) -> String {
    let mut rest = html;
    let mut kept = String::new();
    while let Some(start) = rest.find("<script") {
        let head = start + rest[start..].find('>').expect("a tag ends") + 1;
        kept.push_str(&rest[..head]);
        let end = rest[head..].find("</script>").expect("a script ends");
        rest = &rest[head + end..];
    }
    kept + rest
}
