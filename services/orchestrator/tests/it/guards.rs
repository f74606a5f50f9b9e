//! API-5 to API-8: who may ask, from where, how much, and what is written down of it.

use crate::follower::second_with;
use crate::stage::{Answer, Stage, config, eventually, stage, stage_on};
use orchestrator::auth::{AuthConfig, JwtConfig, NewKey, Scope};
use orchestrator::feed::FeedSettings;
use orchestrator::{Config, Hosts};
use proto_schemas::QueueName;
use redis_store::throttle::Allowance;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use system_tests::redis::{PrivateRedis, Reply};

const BODY: &str = r#"{"description":"d"}"#;
const SECRET: &str = "c4n4ry c4n4ry c4n4ry c4n4ry c4n4ry";

async fn stage_of(config: Config) -> Stage {
    let stage = stage_on(PrivateRedis::start().expect("a redis"), config).await;
    assert!(stage.store.wait_connected(Duration::from_secs(5)).await);
    // The service makes them too, a moment later: what a request leaves is looked at beside nothing else.
    stage.store.create_worker_groups(&QueueName::default_queue()).await.expect("groups");
    stage
}

async fn stage_with_auth() -> Stage {
    let jwt = JwtConfig::hs256(&SECRET.into(), "millstream".to_owned(), None).expect("a secret");
    stage_of(Config { auth: AuthConfig { keys: true, jwt: Some(jwt) }, ..config() }).await
}

/// A key that is kept; what a client sends, and its id.
pub async fn key(stage: &Stage, scope: Scope) -> (String, String) {
    let new = NewKey::make("test", &[scope], 1, None).expect("randomness");
    stage.store.keep_api_key(&new.id, None, &new.kept).await.expect("an answer");
    (new.credentials, new.id)
}

async fn send(stage: &Stage, method: &str, path: &str, authorization: &str) -> Answer {
    let json = ("content-type", "application/json");
    let headers = [json, ("authorization", authorization)];
    let headers = if authorization.is_empty() { &headers[..1] } else { &headers[..] };
    stage.send(method, path, headers, if method == "POST" { BODY.into() } else { "".into() }).await
}

/// The newest entries of the audit, oldest first, each as its fields.
pub fn audit(stage: &Stage) -> Vec<BTreeMap<String, String>> {
    let entries = stage.redis.command(&["XRANGE", "audit", "-", "+"]);
    let fields = |entry: &Reply| -> BTreeMap<String, String> {
        let texts: Vec<String> = entry.items()[1].items().iter().map(Reply::text).collect();
        texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    };
    entries.items().iter().map(fields).collect()
}

#[tokio::test]
async fn whoever_is_not_known_is_refused_and_what_is_open_stays_open() {
    let stage = stage_with_auth().await;
    let (credentials, id) = key(&stage, Scope::Write).await;
    let (other, _) = key(&stage, Scope::Write).await;
    let wrong = format!("Bearer ms_{id}_{}", &other[other.len() - 64..]);
    let long = format!("Bearer {}", "x".repeat(10_000));
    let none = "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ4In0.";
    for authorization in ["", "Bearer", "Bearer  x", "Basic eDp5", none, &wrong, &long, &credentials] {
        let before = stage.footprint();
        let answer = send(&stage, "POST", "/tasks", authorization).await;
        answer.problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert!(!answer.text.contains("c4n4ry") && !answer.text.contains(&id), "{}", answer.text);
        assert_eq!(stage.footprint(), before, "{authorization}");
    }
    for path in ["/", "/health", "/livez", "/ready", "/docs", "/redoc", "/openapi.json"] {
        assert_eq!(stage.get(path).await.status, 200, "{path}");
    }
    for path in ["/tasks", "/tasks/x", "/streams", "/workers", "/kinds", "/dead-letters", "/result/x"] {
        stage.get(path).await.problem(401, "unauthenticated");
    }
    assert_eq!(send(&stage, "POST", "/tasks", &format!("Bearer {credentials}")).await.status, 202);
}

#[tokio::test]
async fn a_key_may_do_what_its_scope_holds_until_it_is_revoked() {
    let stage = stage_with_auth().await;
    let (reader, reader_id) = key(&stage, Scope::Read).await;
    let (writer, _) = key(&stage, Scope::Write).await;
    let (admin, _) = key(&stage, Scope::Admin).await;
    let [reader, writer, admin] = [reader, writer, admin].map(|credentials| format!("Bearer {credentials}"));
    for (who, reads, writes, discards) in [(&reader, 200, 403, 403), (&writer, 200, 202, 403), (&admin, 200, 202, 400)]
    {
        assert_eq!(send(&stage, "GET", "/tasks", who).await.status, reads);
        assert_eq!(send(&stage, "POST", "/tasks", who).await.status, writes);
        assert_eq!(send(&stage, "POST", "/dead-letters/discard", who).await.status, discards);
    }
    let problem = send(&stage, "POST", "/tasks", &reader).await.problem(403, "forbidden");
    assert_eq!(problem["detail"], "This operation needs the scope write.");
    assert!(stage.store.revoke_api_key(&reader_id).await.expect("an answer"));
    eventually(Duration::from_secs(10), || async { send(&stage, "GET", "/tasks", &reader).await.status == 401 }).await;
    assert_eq!(send(&stage, "GET", "/tasks", &writer).await.status, 200, "the others go on");
}

#[tokio::test]
async fn two_clients_may_use_the_same_idempotency_key() {
    let stage = stage_with_auth().await;
    let mut tasks = Vec::new();
    for scope in [Scope::Write, Scope::Admin] {
        let authorization = format!("Bearer {}", key(&stage, scope).await.0);
        let headers =
            [("content-type", "application/json"), ("idempotency-key", "k"), ("authorization", authorization.as_str())];
        for _ in 0..2 {
            tasks.push(stage.send("POST", "/tasks", &headers, BODY.into()).await.json()["task_id"].clone());
        }
    }
    assert!(tasks[0] == tasks[1] && tasks[2] == tasks[3] && tasks[0] != tasks[2], "{tasks:?}");
}

#[tokio::test]
async fn a_client_that_has_used_up_its_allowance_waits_and_the_others_do_not() {
    let allowance = Allowance { requests: 3, window: Duration::from_secs(3_600) };
    let redis = PrivateRedis::start().expect("a redis");
    let auth = AuthConfig { keys: true, jwt: None };
    let stage = stage_on(redis, Config { allowance: Some(allowance), auth, ..config() }).await;
    assert!(stage.store.wait_connected(Duration::from_secs(5)).await);
    let (one, _) = key(&stage, Scope::Admin).await;
    let (other, _) = key(&stage, Scope::Admin).await;
    let (one, other) = (format!("Bearer {one}"), format!("Bearer {other}"));
    for left in ["2", "1", "0"] {
        let answer = send(&stage, "GET", "/tasks", &one).await;
        assert_eq!((answer.status, answer.header("ratelimit-policy")), (200, "\"default\";q=3;w=3600"));
        assert!(answer.header("ratelimit").starts_with(&format!("\"default\";r={left};t=")), "{:?}", answer.headers);
    }
    let refused = send(&stage, "POST", "/tasks", &one).await;
    refused.problem(429, "quota_exceeded");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1_100..=1_200).contains(&wait), "a third of an hour: {wait}");
    assert!(refused.header("ratelimit").starts_with("\"default\";r=0;t="));
    assert_eq!(send(&stage, "GET", "/tasks", &other).await.status, 200);
    assert_eq!(stage.get("/health").await.status, 200, "what is open is not counted");
    for (at, status) in [401, 401, 401, 429].into_iter().enumerate() {
        // Who guesses is counted by address, and an address that anybody may claim is none.
        let forged = format!("10.0.0.{at}");
        let headers = [("authorization", "Bearer guess"), ("x-forwarded-for", &forged), ("forwarded", &forged)];
        assert_eq!(stage.send("GET", "/tasks", &headers, "".into()).await.status, status);
    }
}

#[tokio::test]
async fn one_client_may_hold_half_of_the_streams_and_waiting_requests() {
    let auth = AuthConfig { keys: true, jwt: None };
    let feed = FeedSettings { streams_max: 2, ..Config::default().feed };
    let stage = stage_of(Config { auth, feed, ..config() }).await;
    let (one, other) = (key(&stage, Scope::Read).await.0, key(&stage, Scope::Read).await.0);
    let writer = key(&stage, Scope::Write).await.0;
    let open = async |credentials: &str| {
        let request = reqwest::Client::new().get(format!("{}/events", stage.base)).bearer_auth(credentials);
        request.send().await.expect("an answer")
    };
    let made = send(&stage, "POST", "/tasks", &format!("Bearer {writer}")).await.json();
    let id = made["task_id"].as_str().expect("an id");
    let waits = async |credentials: &str| {
        let request = reqwest::Client::new().get(format!("{}/tasks/{id}", stage.base)).bearer_auth(credentials);
        let request = request.header("if-none-match", "\"1\"").header("prefer", "wait=1");
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.headers().contains_key("preference-applied"))
    };
    let first = open(&one).await;
    assert_eq!(
        (waits(&one).await, waits(&other).await),
        ((304, false), (304, true)),
        "one does not wait, the other does"
    );
    assert_eq!(
        (first.status(), open(&one).await.status()),
        (reqwest::StatusCode::OK, reqwest::StatusCode::TOO_MANY_REQUESTS)
    );
    assert_eq!(open(&other).await.status(), 200, "there is a place for others");
}

#[tokio::test]
async fn an_allowance_is_one_over_all_servers() {
    let allowance = Some(Allowance { requests: 3, window: Duration::from_secs(3_600) });
    let stage = stage_of(Config { allowance, ..config() }).await;
    let other = second_with(&stage, Config { allowance, ..config() }).await;
    let client = reqwest::Client::new();
    let mut statuses = Vec::new();
    for base in [&stage.base, &other.base, &stage.base, &other.base, &stage.base] {
        statuses.push(client.get(format!("{base}/tasks")).send().await.expect("an answer").status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    other.shutdown.cancel();
    other.server.await.expect("stopped");
}

/// The headers that requests may have as the document says, and those that answers may have.
async fn headers_of_the_document(stage: &Stage) -> (BTreeSet<String>, BTreeSet<String>) {
    let document = stage.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths").values();
    let operations: Vec<&Value> = paths.flat_map(|path| path.as_object().expect("operations").values()).collect();
    let parameters = operations.iter().filter_map(|it| it["parameters"].as_array()).flatten();
    let sent = parameters.filter(|it| it["in"] == "header").map(|it| it["name"].as_str().expect("a name").to_owned());
    let answers = operations.iter().flat_map(|it| it["responses"].as_object().expect("answers").values());
    let read = answers.filter_map(|it| it["headers"].as_object()).flat_map(|headers| headers.keys().cloned());
    (sent.collect(), read.collect())
}

/// What stands between commas.
fn words(list: &str) -> BTreeSet<String> {
    list.split(", ").map(str::to_owned).collect()
}

#[tokio::test]
async fn pages_of_origins_that_are_named_may_ask_and_others_are_told_nothing() {
    let origin = "https://example.org";
    let stage = stage_of(Config { cors_origins: vec![origin.to_owned()], ..config() }).await;
    let ask = |origin: &'static str| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ]
    };
    let allowed = stage.send("OPTIONS", "/tasks", &ask("https://example.org"), "".into()).await;
    assert_eq!((allowed.status, allowed.text.as_str()), (204, ""));
    assert_eq!(allowed.header("access-control-allow-origin"), origin);
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    let (sent, read) = headers_of_the_document(&stage).await;
    let others = ["Authorization", "Content-Type", "traceparent", "tracestate"].map(str::to_owned);
    assert_eq!(words(allowed.header("access-control-allow-headers")), sent.into_iter().chain(others).collect());
    for foreign in ["https://example.org.evil.example", "http://example.org", "null"] {
        let headers = [("origin", foreign), ("access-control-request-method", "POST")];
        let refused = stage.send("OPTIONS", "/tasks", &headers, "".into()).await;
        refused.problem(405, "method_not_allowed");
        assert_eq!(refused.header("access-control-allow-origin"), "", "{foreign}");
    }
    let missing = stage.send("GET", "/tasks/x", &[("origin", origin)], "".into()).await;
    missing.problem(404, "task_not_found");
    assert_eq!((missing.header("access-control-allow-origin"), missing.header("vary")), (origin, "Origin"));
    assert_eq!(words(missing.header("access-control-expose-headers")), read);
    let off = crate::stage::stage().await;
    let silent = off.send("GET", "/health", &[("origin", origin)], "".into()).await;
    assert_eq!((silent.status, silent.header("access-control-allow-origin")), (200, ""));
}

#[tokio::test]
async fn every_change_and_every_refusal_of_one_is_in_the_audit_without_what_it_carried() {
    let stage = stage_with_auth().await;
    let (credentials, id) = key(&stage, Scope::Write).await;
    let who = format!("Bearer {credentials}");
    let task = send(&stage, "POST", "/tasks", &who).await.json()["task_id"].as_str().expect("an id").to_owned();
    let cancel = format!("/tasks/{task}/cancel");
    send(&stage, "POST", &cancel, &who).await;
    send(&stage, "GET", &format!("/tasks/{task}"), &who).await;
    send(&stage, "POST", "/tasks", "Bearer c4n4ry").await;
    send(&stage, "POST", "/dead-letters/discard", &who).await;
    let json = [("content-type", "application/json"), ("authorization", who.as_str())];
    stage.send("POST", "/tasks", &json, r#"{"description":"c4n4ry","priority":-1}"#.into()).await;
    send(&stage, "POST", &format!("/tasks/{credentials}/cancel"), &who).await;
    send(&stage, "POST", "/tasks/c4n4ry%20c4n4ry/cancel", &who).await;
    eventually(Duration::from_secs(5), || async { audit(&stage).len() == 6 }).await;
    let told = audit(&stage);
    let line = |entry: &BTreeMap<String, String>| {
        ["client", "operation", "object", "status", "code"].map(|name| entry[name].clone()).join(" ")
    };
    let client = format!("key:{id}");
    assert_eq!(
        told.iter().map(line).collect::<Vec<_>>(),
        [
            format!("{client} submit_task /tasks/{task} 202 "),
            format!("{client} cancel_task {cancel} 200 "),
            format!("{client} discard_dead_letters /dead-letters/discard 403 forbidden"),
            format!("{client} submit_task /tasks 400 invalid_request"),
            format!("{client} cancel_task /tasks/*/cancel 404 task_not_found"),
            format!("{client} cancel_task /tasks/*/cancel 404 task_not_found"),
        ]
    );
    for entry in &told {
        assert_eq!((entry["address"].as_str(), entry["request_id"].len(), entry["at"].len()), ("127.0.0.1", 26, 24));
    }
    assert!(!format!("{told:?}").contains("c4n4ry") && !format!("{told:?}").contains(&credentials));
}

#[tokio::test]
async fn without_redis_who_may_look_is_still_told_of_the_outage_and_nobody_is_let_in_for_it() {
    let mut stage = stage_with_auth().await;
    let who = format!("Bearer {}", key(&stage, Scope::Write).await.0);
    assert_eq!(send(&stage, "GET", "/tasks", &who).await.status, 200);
    stage.redis.kill();
    send(&stage, "GET", "/tasks", &who).await.problem(503, "redis_unavailable");
    send(&stage, "POST", "/tasks", &who).await.problem(503, "redis_unavailable");
    send(&stage, "POST", "/tasks", "Bearer x").await.problem(401, "unauthenticated");
    stage.get("/tasks").await.problem(401, "unauthenticated");
    assert_eq!(stage.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_page_that_has_its_own_name_lead_here_reads_nothing_and_probes_are_answered_under_any() {
    let hosts = Hosts::Named(["localhost", "127.0.0.1", "orchestrator"].map(str::to_owned).into());
    let stage = stage_of(Config { hosts, ..config() }).await;
    let get = async |path: &str, host: &str| stage.send("GET", path, &[("host", host)], "".into()).await;
    for (host, status) in
        [("localhost:8000", 200), ("127.0.0.1:1", 200), ("orchestrator:8000", 200), ("evil.example:8000", 421)]
    {
        assert_eq!(get("/tasks", host).await.status, status, "{host}");
        for open in ["/livez", "/health", "/ready", "/metrics"] {
            assert_eq!(get(open, host).await.status, 200, "{open} of {host}");
        }
    }
    get("/tasks", "172.18.0.3:8000").await.problem(421, "misdirected");
}

#[tokio::test]
async fn nothing_is_asked_or_bounded_unless_it_is_set() {
    let stage = stage().await;
    let answer = stage.post("/tasks", BODY).await;
    assert_eq!((answer.status, answer.header("ratelimit"), answer.header("vary")), (202, "", ""));
}
