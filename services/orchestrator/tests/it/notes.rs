//! API-8: what of a request about several things stands in the audit.

use crate::guards::{audit, key};
use crate::stage::{Stage, config, eventually, stage, stage_of, stage_on};
use orchestrator::Config;
use orchestrator::auth::{AuthConfig, NewKey, Scope};
use redis_store::throttle::Allowance;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use system_tests::redis::{PrivateRedis, Reply};

type Entry = BTreeMap<String, String>;

/// The audit, once it has so many entries.
async fn notes(stage: &Stage, count: usize) -> Vec<Entry> {
    eventually(Duration::from_secs(10), || async { audit(stage).len() >= count }).await;
    let told = audit(stage);
    assert_eq!(told.len(), count, "{told:?}");
    told
}

async fn post(stage: &Stage, path: &str, body: Value) -> Value {
    stage.post(path, body.to_string()).await.json()
}

fn line(entry: &Entry) -> String {
    ["operation", "object", "status", "code", "detail"].map(|name| entry[name].as_str()).join(" ")
}

/// Letters of nobody, as a worker left them; their ids.
fn letters(stage: &Stage, count: usize, reason: &str) -> Vec<String> {
    let add = ["XADD", "dead-letters", "*", "reason", reason, "error", "e", "worker", "w", "source", "s 1-0"];
    (0..count).map(|_| stage.redis.command(&add)).map(|id: Reply| id.text()).collect()
}

#[tokio::test]
async fn whoever_made_a_task_in_a_batch_is_found_by_the_name_of_the_task() {
    let stage = stage().await;
    let one = json!({ "description": "d" });
    let unknown = json!({ "description": "d", "subtasks": [{ "description": "x", "kind": "nobodys" }] });
    let answer = post(&stage, "/tasks/batch", json!({ "tasks": [one, unknown, "c4n4ry", one] })).await;
    let told = notes(&stage, 3).await;
    let ids = [0, 3].map(|at: usize| answer["tasks"][at]["task_id"].as_str().expect("an id").to_owned());
    let mut lines: Vec<String> = told.iter().map(line).collect();
    assert_eq!(
        lines.pop().expect("the request itself comes last"),
        "submit_tasks /tasks/batch 200  accepted=2 refused=2 invalid_request=1 unknown_kind=1"
    );
    lines.sort();
    let mut expect = ids.map(|id| format!("submit_tasks /tasks/{id} 202  "));
    expect.sort();
    assert_eq!(lines, expect);
    assert!(told.iter().all(|entry| entry["request_id"] == told[0]["request_id"]), "of one request: {told:?}");
    assert!(told.iter().all(|entry| entry["address"] == "127.0.0.1" && entry["client"] == "anonymous"), "{told:?}");
    assert!(!format!("{told:?}").contains("c4n4ry"));
}

#[tokio::test]
async fn every_task_of_the_largest_batch_is_named() {
    let stage = stage().await;
    let task = json!({ "description": "d", "subtasks": [{ "description": "x" }] });
    let answer = post(&stage, "/tasks/batch", json!({ "tasks": vec![task; 1_000] })).await;
    let told = notes(&stage, 1_001).await;
    let objects: Vec<&str> = told.iter().map(|entry| entry["object"].as_str()).collect();
    for place in [0, 31, 32, 500, 999] {
        let id = answer["tasks"][place]["task_id"].as_str().expect("an id");
        assert_eq!(objects.iter().filter(|object| **object == format!("/tasks/{id}")).count(), 1, "{place}");
    }
}

#[tokio::test]
async fn letters_that_are_dealt_with_together_are_noted_with_their_filter_and_their_count() {
    let stage = stage().await;
    let ids = letters(&stage, 12, "timeout");
    letters(&stage, 3, "malformed");
    let unheard = json!({ "matching": { "reason": "c4n4ry c4n4ry", "kind": "0".repeat(64) } });
    let dry = json!({ "matching": { "reason": "timeout" }, "dry_run": true });
    let newest = post(&stage, "/dead-letters/discard", dry).await["newest"].as_str().expect("an id").to_owned();
    let of_timeouts = json!({ "matching": { "reason": "timeout" }, "confirm": 13, "until": newest });
    for (path, body) in [
        ("requeue", json!({ "matching": {}, "dry_run": true })),
        ("requeue", json!({ "entry_ids": ids })),
        ("requeue", unheard),
        ("discard", of_timeouts.clone()),
        ("discard", json!({ "matching": { "reason": "timeout" }, "confirm": 12, "until": newest })),
        ("discard", json!({ "nonsense": "c4n4ry" })),
    ] {
        post(&stage, &format!("/dead-letters/{path}"), body).await;
    }
    let told = notes(&stage, 7).await;
    let newest = format!("before={}", after(&newest));
    let named = ids[..10].join(",");
    let (discard, requeue) =
        ("discard_dead_letters /dead-letters/discard", "requeue_dead_letters /dead-letters/requeue");
    assert_eq!(
        told.iter().map(line).collect::<Vec<_>>(),
        [
            format!("{discard} 200  reason=timeout dry_run=true matched=12 discarded=0 left=0"),
            format!("{requeue} 200  matching=all dry_run=true matched=15 requeued=0 gone=0 unfit=0 left=0"),
            format!("{requeue} 200  entry_ids={named},+2 matched=12 requeued=0 gone=0 unfit=12 left=0"),
            format!("{requeue} 200  reason=* kind=* matched=0 requeued=0 gone=0 unfit=0 left=0"),
            format!("{discard} 409 confirmation reason=timeout {newest}"),
            format!("{discard} 200  reason=timeout {newest} matched=12 discarded=12 left=0"),
            format!("{discard} 400 invalid_request "),
        ]
    );
    assert!(!format!("{told:?}").contains("c4n4ry"));
}

#[tokio::test]
async fn whoever_is_nobody_washes_nothing_out_also_when_they_are_told_to_wait() {
    let allowance = Some(Allowance { requests: 1, window: Duration::from_secs(3_600) });
    let auth = AuthConfig { keys: true, jwt: None };
    let redis = PrivateRedis::start().expect("a redis");
    let stage = stage_on(redis, Config { allowance, auth, ..config() }).await;
    assert!(stage.store.wait_connected(Duration::from_secs(5)).await);
    let new = NewKey::make("test", &[Scope::Write], 1, None).expect("randomness");
    stage.store.keep_api_key(&new.id, None, &new.kept).await.expect("an answer");
    let known = format!("Bearer {}", new.credentials);
    for (authorization, status) in [("Bearer guess", 401), ("Bearer guess", 429), (&known, 202), (&known, 429)] {
        let headers = [("content-type", "application/json"), ("authorization", authorization)];
        let answer = stage.send("POST", "/tasks", &headers, r#"{"description":"d"}"#.into()).await;
        assert_eq!(answer.status, status, "{authorization}");
    }
    let told = notes(&stage, 2).await;
    let statuses: Vec<&str> = told.iter().map(|entry| entry["status"].as_str()).collect();
    assert_eq!(statuses, ["202", "429"]);
    assert!(told.iter().all(|entry| entry["client"] == format!("key:{}", new.id)), "{told:?}");
}

#[tokio::test]
async fn whoever_is_refused_in_a_loop_washes_nothing_out() {
    let auth = AuthConfig { keys: true, jwt: None };
    let stage = stage_of(Config { auth, ..config() }).await;
    let (credentials, id) = key(&stage, Scope::Write).await;
    let authorization = format!("Bearer {credentials}");
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let post = async |path: &str| stage.send("POST", path, &headers, r#"{"description":"d"}"#.into()).await.status;
    for _ in 0..13 {
        assert_eq!(post("/dead-letters/discard").await, 403);
    }
    assert_eq!((post("/tasks").await, post("/tasks").await), (202, 202));
    let told = notes(&stage, 12).await;
    let refusal = "discard_dead_letters /dead-letters/discard 403 forbidden ";
    assert_eq!(told[..10].iter().map(line).collect::<Vec<_>>(), [refusal; 10]);
    assert_eq!([&told[10]["detail"], &told[11]["detail"]], ["suppressed=3", ""]);
    assert!(told.iter().all(|entry| entry["client"] == format!("key:{id}")), "{told:?}");
    let metrics = stage.get("/metrics").await.text;
    for series in [r#"millstream_audit_notes_lost_total{reason="suppressed"} 3"#, r#"{reason="dropped"} 0"#] {
        assert!(metrics.lines().any(|line| line.ends_with(series)), "{series}: {metrics}");
    }
}

/// The next id: a range that ends before it has this one.
fn after(id: &str) -> String {
    let (ms, sequence) = id.split_once('-').expect("an id");
    format!("{ms}-{}", sequence.parse::<u64>().expect("a number") + 1)
}

/// At a full Redis a cancel and a discard are what makes room again: exactly these must not be missing.
#[tokio::test]
async fn what_was_done_while_redis_was_full_is_noted_when_there_is_room_again() {
    let stage = stage().await;
    let made = post(&stage, "/tasks", json!({ "description": "d" })).await;
    let id = made["task_id"].as_str().expect("an id");
    notes(&stage, 1).await;
    stage.redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(stage.post(&format!("/tasks/{id}/cancel"), String::new()).await.status, 200);
    let is_refused = |line: &str| line.starts_with("cmdstat_xadd:") && !line.contains(",rejected_calls=0,");
    let was_tried = || async { stage.redis.command(&["INFO", "commandstats"]).text().lines().any(is_refused) };
    eventually(Duration::from_secs(10), was_tried).await;
    stage.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(line(&notes(&stage, 2).await[1]), format!("cancel_task /tasks/{id}/cancel 200  "));
}
