//! TASK-4 and API-4: what is refused, how, and that it leaves nothing behind.

use crate::stage::{Answer, stage};
use serde_json::json;

/// Stands where a value does; no answer may contain it.
const CANARY: &str = "c4n4ry";

struct Case {
    body: String,
    status: u16,
    code: &'static str,
    pointers: &'static [&'static str],
}

fn case(body: impl Into<String>, status: u16, code: &'static str, pointers: &'static [&'static str]) -> Case {
    Case { body: body.into(), status, code, pointers }
}

fn with_subtask(fields: &str) -> String {
    format!(r#"{{"description":"d","subtasks":[{{"description":"s"}},{{"description":"s",{fields}}}]}}"#)
}

fn malformed() -> Vec<Case> {
    [
        "",
        "{",
        "{} {}",
        r#"{"description":"c4n4ry"} x"#,
        r#"{"description":"c4n4ry",}"#,
        r#"{'description':'c4n4ry'}"#,
        "// c4n4ry\n{}",
        r#"{"description":c4n4ry}"#,
        r#"{"description":"x","context":{"n":NaN}}"#,
        r#"{"description":"x","context":{"n":1e999}}"#,
        r#"{"description":"\ud800 c4n4ry"}"#,
        "{\"description\":\"c4n4ry \u{1}\"}",
        "\u{feff}{\"description\":\"c4n4ry\"}",
    ]
    .map(|body| case(body, 400, "malformed_json", &[]))
    .into()
}

fn misshapen() -> Vec<Case> {
    let at = |body: &str, pointers| case(body, 400, "invalid_request", pointers);
    vec![
        at("null", &[""]),
        at("[]", &[""]),
        at(r#"["c4n4ry"]"#, &[""]),
        at(r#""c4n4ry""#, &[""]),
        at("5", &[""]),
        at("{}", &["/description"]),
        at(r#"{"description":""}"#, &["/description"]),
        at("{\"description\":\" \\n\\t\u{a0}\"}", &["/description"]),
        at(r#"{"description":null}"#, &["/description"]),
        at(r#"{"description":["c4n4ry"]}"#, &["/description"]),
        at(r#"{"description":"c4n4ry\u0000"}"#, &["/description"]),
        at(&json!({ "description": CANARY.repeat(1_667) }).to_string(), &["/description"]),
        at(r#"{"description":"x","c4n4rY":"c4n4ry"}"#, &["/c4n4rY"]),
        at(r#"{"description":"x","status":"c4n4ry","__proto__":{}}"#, &["/__proto__", "/status"]),
        at(r#"{"description":"x","description":"c4n4ry"}"#, &["/description"]),
        at(r#"{"description":"x","d\u0065scription":"c4n4ry"}"#, &["/description"]),
        at(r#"{"description":"x","context":{"a":{"b":1,"b":"c4n4ry"}}}"#, &["/context/a/b"]),
        at(r#"{"description":"x","context":["c4n4ry"]}"#, &["/context"]),
        at(r#"{"description":"x","priority":-1,"context":1,"z":"c4n4ry"}"#, &["/priority", "/context", "/z"]),
        at(r#"{"description":"x","subtasks":{"c4n4ry":1}}"#, &["/subtasks"]),
        at(r#"{"description":"x","subtasks":["c4n4ry",{"description":"s"},[]]}"#, &["/subtasks/0", "/subtasks/2"]),
        at(r#"{"description":"x","subtasks":[{"kind":"simulate"}]}"#, &["/subtasks/0/description"]),
        at(&with_subtask(r#""depends_on":"c4n4ry""#), &["/subtasks/1/depends_on"]),
        at(&with_subtask(r#""depends_on":[7,["c4n4ry"]]"#), &["/subtasks/1/depends_on/0", "/subtasks/1/depends_on/1"]),
        at(&with_subtask(r#""depends_on":[{"on_failure":"skip"}]"#), &["/subtasks/1/depends_on/0/name"]),
        at(
            &with_subtask(r#""depends_on":[{"name":"c4n4ry","on_failure":"c4n4ry"}]"#),
            &["/subtasks/1/depends_on/0/on_failure"],
        ),
        at(&with_subtask(r#""backoff":1"#), &["/subtasks/1/backoff"]),
        at(
            &with_subtask(r#""backoff":{"base_seconds":"c4n4ry","c4n4rY":1}"#),
            &["/subtasks/1/backoff/base_seconds", "/subtasks/1/backoff/c4n4rY"],
        ),
        at(r#"{"description":"x","delay_seconds":"PT1H"}"#, &["/delay_seconds"]),
        at(r#"{"description":"x","run_at":"tomorrow c4n4ry"}"#, &["/run_at"]),
        at(r#"{"description":"x","run_at":1790000000}"#, &["/run_at"]),
        at(r#"{"description":"x","deadline_seconds":1.5}"#, &["/deadline_seconds"]),
        at(&with_subtask(r#""name":"c4n4ry c4n4ry""#), &["/subtasks/1/name"]),
        at(&with_subtask(r#""name":"<c4n4ry>""#), &["/subtasks/1/name"]),
        at(&with_subtask(r#""kind":7"#), &["/subtasks/1/kind"]),
        at(&with_subtask(r#""params":"c4n4ry""#), &["/subtasks/1/params"]),
        at(&with_subtask(r#""params":{"k":1,"k":2}"#), &["/subtasks/1/params/k"]),
        at(
            &with_subtask(r#""max_attempts":-1,"timeout_seconds":1.0"#),
            &["/subtasks/1/max_attempts", "/subtasks/1/timeout_seconds"],
        ),
        at(&with_subtask(r#""max_attempts":99999999999999999999"#), &["/subtasks/1/max_attempts"]),
    ]
}

fn against_a_rule() -> Vec<Case> {
    let at = |body: &str, pointers| case(body, 422, "rule_violated", pointers);
    let many = vec![r#"{"description":"s"}"#; 1_001].join(",");
    let deep = format!(r#"{{"description":"x","context":{{"c4n4ry":{}{}}}}}"#, "[".repeat(31), "]".repeat(31));
    let large = format!(r#""params":{{"p":"{}"}}"#, CANARY.repeat(11_000));
    vec![
        at(r#"{"description":"x","subtasks":[]}"#, &["/subtasks"]),
        at(&format!(r#"{{"description":"x","subtasks":[{many}]}}"#), &["/subtasks"]),
        at(&with_subtask(r#""max_attempts":0"#), &["/subtasks/1/max_attempts"]),
        at(&with_subtask(r#""max_attempts":101"#), &["/subtasks/1/max_attempts"]),
        at(&with_subtask(r#""timeout_seconds":0"#), &["/subtasks/1/timeout_seconds"]),
        at(&with_subtask(r#""timeout_seconds":3601"#), &["/subtasks/1/timeout_seconds"]),
        at(&with_subtask(r#""timeout_seconds":18446744073709551615"#), &["/subtasks/1/timeout_seconds"]),
        at(
            r#"{"description":"x","subtasks":[{"description":"s","name":"c4n4ry"},{"description":"s","name":"c4n4ry"}]}"#,
            &["/subtasks/1/name"],
        ),
        case(
            r#"{"description":"x","subtasks":[{"description":"s"},{"description":"s"},{"description":"s"},{"description":"s","kind":"c4n4ry"}]}"#,
            422,
            "unknown_kind",
            &["/subtasks/3/kind"],
        ),
        case(with_subtask(r#""kind":"../c4n4ry""#), 422, "unknown_kind", &["/subtasks/1/kind"]),
        case(with_subtask(r#""kind":"simul\u0430te""#), 422, "unknown_kind", &["/subtasks/1/kind"]),
        at(&with_subtask(r#""depends_on":["c4n4ry"]"#), &["/subtasks/1/depends_on/0"]),
        at(&with_subtask(r#""backoff":{"base_seconds":0}"#), &["/subtasks/1/backoff/base_seconds"]),
        at(&with_subtask(r#""backoff":{"cap_seconds":18446744073709551616}"#), &["/subtasks/1/backoff/cap_seconds"]),
        at(&with_subtask(r#""backoff":{"base_seconds":9,"cap_seconds":8}"#), &["/subtasks/1/backoff/cap_seconds"]),
        at(&with_subtask(r#""max_attempts":1000000000"#), &["/subtasks/1/max_attempts"]),
        at(r#"{"description":"x","delay_seconds":-1}"#, &["/delay_seconds"]),
        at(r#"{"description":"x","delay_seconds":1e18}"#, &["/delay_seconds"]),
        at(r#"{"description":"x","run_at":"1970-01-01T00:00:00Z"}"#, &["/run_at"]),
        at(r#"{"description":"x","run_at":"9999-12-31T23:59:59Z"}"#, &["/run_at"]),
        at(r#"{"description":"x","deadline_seconds":0}"#, &["/deadline_seconds"]),
        at(r#"{"description":"x","deadline_seconds":18446744073709551615}"#, &["/deadline_seconds"]),
        at(
            r#"{"description":"x","delay_seconds":1,"run_at":"2026-01-01T00:00:00Z","subtasks":[{"description":"s","name":"a","depends_on":["a","c4n4ry"],"timeout_seconds":0}]}"#,
            &["/run_at", "/subtasks/0/depends_on/0", "/subtasks/0/depends_on/1", "/subtasks/0/timeout_seconds"],
        ),
        case(deep, 422, "too_deep", &[]),
        case("[".repeat(1_000_000), 422, "too_deep", &[]),
        case(with_subtask(&large), 413, "payload_too_large", &["/subtasks/1/params"]),
    ]
}

#[tokio::test]
async fn a_bad_task_is_refused_by_field_and_leaves_nothing_behind() {
    let stage = stage().await;
    stage.submit(r#"{"description":"something to count"}"#).await;
    let before = stage.footprint();
    for Case { body, status, code, pointers } in malformed().into_iter().chain(misshapen()).chain(against_a_rule()) {
        let shown = &body[..body.len().min(120)];
        let answer = stage.post("/tasks", body.clone()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{shown}: {}", answer.text);
        let problem = answer.problem(status, code);
        let told: Vec<&str> = match problem["errors"].as_array() {
            Some(errors) => errors.iter().map(|error| error["pointer"].as_str().expect("a pointer")).collect(),
            None => Vec::new(),
        };
        assert_eq!(told, pointers, "{shown}");
        assert!(!answer.text.contains(CANARY), "{shown} is echoed: {}", answer.text);
        assert_eq!(stage.footprint(), before, "{shown}");
    }
    stage.submit(r#"{"description":"the next good one"}"#).await;
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_refused() {
    let stage = stage().await;
    for bytes in [&b"{\"description\":\"\xff\"}"[..], b"{\"description\":\"\xc0\xaf\"}", b"\xff\xfe{\0}\0"] {
        stage.post("/tasks", bytes.to_vec()).await.problem(400, "malformed_json");
    }
}

#[tokio::test]
async fn an_unknown_field_is_named_cut_and_cleaned() {
    let stage = stage().await;
    let name = format!("<b>~/{}", "x".repeat(500));
    let answer = stage.post("/tasks", json!({ "description": "d", name: 1 }).to_string()).await;
    let pointer = answer.problem(400, "invalid_request")["errors"][0]["pointer"].as_str().expect("text").to_owned();
    assert!(pointer.starts_with("/_b___xxx") && pointer.len() == 65, "{pointer}");
    assert!(!answer.text.contains("<b>"));
}

#[tokio::test]
async fn every_way_to_miss_is_a_problem() {
    let stage = stage().await;
    let json = &[("content-type", "application/json")][..];
    let body = || r#"{"description":"d"}"#.into();
    for path in ["/nowhere", "/tasks/", "/tasks/a/b", "/openapi.yaml", "/docs/oauth-receiver.html", "/tasks%2Fx"] {
        stage.get(path).await.problem(404, "not_found");
    }
    for (method, path, allow) in [
        ("DELETE", "/tasks", "GET, HEAD, POST"),
        ("DELETE", "/tasks/x", "GET, HEAD"),
        ("PUT", "/assign-task", "POST"),
        ("OPTIONS", "/result/x", "GET, HEAD"),
        ("TRACE", "/", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("FOO", "/health", "GET, HEAD"),
    ] {
        let answer = stage.send(method, path, json, body()).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json; charset=iso-8859-1")],
        &[("content-type", "multipart/form-data; boundary=x")],
    ] {
        stage.send("POST", "/tasks", headers, body()).await.problem(415, "unsupported_media_type");
    }
    let gzip = &[("content-type", "application/json"), ("content-encoding", "gzip")][..];
    stage.send("POST", "/tasks", gzip, body()).await.problem(415, "unsupported_encoding");
    stage.post("/tasks", vec![b' '; (1 << 20) + 1]).await.problem(413, "payload_too_large");
    let padded = format!(r#"{{"description":"d"}}{}"#, " ".repeat((1 << 20) - 19));
    assert_eq!((padded.len(), stage.post("/tasks", padded).await.status), (1 << 20, 202), "the limit itself passes");
}

#[tokio::test]
async fn every_answer_carries_a_request_id_and_headers_for_safety() {
    let stage = stage().await;
    let forged = &[("x-request-id", "forged"), ("x-http-method-override", "DELETE")][..];
    let answers: Vec<Answer> = vec![
        stage.send("GET", "/health", forged, "".into()).await,
        stage.get("/docs").await,
        stage.get("/nowhere").await,
        stage.post("/tasks", r#"{"description":"d"}"#).await,
    ];
    for answer in &answers {
        assert_eq!(answer.header("x-request-id").len(), 26);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert!(answer.header("permissions-policy").contains("camera=()"));
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
    }
    for answer in [&answers[0], &answers[2], &answers[3]] {
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert_eq!(answers[0].status, 200);
}
