//! API-13: webhooks are made, shown without their secrets, given others and forgotten; none leads where it may not.

use crate::stage::{Stage, config, stage, stage_of};
use orchestrator::Config;
use proto_schemas::Kind;
use redis_store::kinds::KnownKind;
use serde_json::{Value, json};
use task_core::egress::Egress;

const URL: &str = "https://hooks.example.org/in?token=c4n4ry";

async fn create(stage: &Stage) -> Value {
    let answer = stage.post("/webhooks", json!({"url": URL, "events": ["task.failed"]}).to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let document = answer.json();
    let location = format!("/webhooks/{}", document["webhook_id"].as_str().expect("an id"));
    assert_eq!(answer.headers["location"], location.as_str());
    document
}

#[tokio::test]
async fn a_secret_is_shown_once_and_a_query_never() {
    let stage = stage().await;
    let made = create(&stage).await;
    let (id, secret) = (made["webhook_id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44, "32 bytes in Base64");
    assert_eq!((&made["url"], &made["events"]), (&json!("https://hooks.example.org/in?..."), &json!(["task.failed"])));
    let shown = stage.get(&format!("/webhooks/{id}")).await;
    let listed = stage.get("/webhooks").await;
    assert_eq!(listed.json()["webhooks"][0], shown.json());
    for text in [&shown.text, &listed.text] {
        assert!(!text.contains("c4n4ry") && !text.contains("whsec_"), "{text}");
    }
    assert!(stage.redis.command(&["HGET", "webhooks", id]).text().contains("token=c4n4ry"), "it is kept whole");
}

#[tokio::test]
async fn another_secret_takes_the_place_of_the_first_which_signs_for_a_day_more() {
    let stage = stage().await;
    let made = create(&stage).await;
    let id = made["webhook_id"].as_str().expect("an id");
    let mut last = made["secret"].clone();
    for _ in 0..5 {
        let rotated = stage.post(&format!("/webhooks/{id}/rotate-secret"), "").await.json();
        assert_ne!(rotated["secret"], last);
        assert!(rotated["old_secret_until"].is_string());
        last = rotated["secret"].clone();
    }
    let kept = stage.store.webhook(id).await.expect("an answer").expect("a webhook").webhook;
    assert_eq!(kept.secrets.len(), 4, "one that holds and three that did");
    assert_eq!(json!(kept.secrets[0].secret), last);
    assert!(kept.secrets[0].until_ms.is_none() && kept.secrets[1..].iter().all(|it| it.until_ms.is_some()));
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_what_was_never_there_is_not_found() {
    let stage = stage().await;
    let id = create(&stage).await["webhook_id"].as_str().expect("an id").to_owned();
    let send = async |method: &str, path: &str| stage.send(method, path, &[], "".into()).await.status;
    assert_eq!(send("DELETE", &format!("/webhooks/{id}")).await, 204);
    for path in [
        format!("/webhooks/{id}"),
        "/webhooks/wh_none".to_owned(),
        "/webhooks/%00".to_owned(),
        "/webhooks/%FF".to_owned(),
    ] {
        assert_eq!(send("DELETE", &path).await, 404, "{path}");
        stage.get(&path).await.problem(404, "webhook_not_found");
        assert_eq!(send("POST", &format!("{path}/rotate-secret")).await, 404);
    }
    assert_eq!(stage.get("/webhooks").await.json(), json!({"webhooks": []}));
}

#[tokio::test]
async fn what_may_not_be_reached_is_refused_by_its_field_and_stores_nothing() {
    let stage = stage().await;
    let long = format!("https://example.org/{}", "x".repeat(2_048));
    let before = stage.footprint();
    for (body, status, pointer) in [
        (json!({}), 400, "/url"),
        (json!({"url": 7}), 400, "/url"),
        (json!({"url": "nonsense"}), 422, "/url"),
        (json!({"url": "http://example.org/"}), 422, "/url"),
        (json!({"url": "https://127.0.0.1/"}), 422, "/url"),
        (json!({"url": "https://2130706433/"}), 422, "/url"),
        (json!({"url": "https://169.254.169.254/latest/meta-data"}), 422, "/url"),
        (json!({"url": "https://[::ffff:10.0.0.1]/"}), 422, "/url"),
        (json!({"url": "https://redis:6379/"}), 422, "/url"),
        (json!({"url": "https://user:c4n4ry@example.org/"}), 422, "/url"),
        (json!({"url": long}), 422, "/url"),
        (json!({"url": URL, "events": []}), 422, "/events"),
        (json!({"url": URL, "events": ["task.created"]}), 400, "/events/0"),
        (json!({"url": URL, "events": ["task.failed", "task.failed"]}), 422, "/events/1"),
        (json!({"url": URL, "secret": "whsec_YQ=="}), 400, "/secret"),
    ] {
        let answer = stage.post("/webhooks", body.to_string()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
        assert!(!answer.text.contains("c4n4ry"));
    }
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn what_the_settings_name_may_be_private_and_plain() {
    let egress = Egress { allowed: vec!["127.0.0.1:9000".parse().expect("a host and a port")] };
    let stage = stage_of(Config { egress, ..config() }).await;
    let answer = stage.post("/webhooks", json!({"url": "http://127.0.0.1:9000/in"}).to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json()["events"], json!(["task.completed", "task.failed", "task.cancelled"]));
}

#[tokio::test]
async fn there_may_be_a_hundred() {
    let stage = stage().await;
    for _ in 0..100 {
        create(&stage).await;
    }
    let answer = stage.post("/webhooks", json!({"url": URL}).to_string()).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("too_many_webhooks")));
    assert_eq!(stage.get("/webhooks").await.json()["webhooks"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn no_client_may_have_something_signed() {
    let stage = stage().await;
    stage.redis.command(&["HSET", "kinds", "webhook", "default 99999999999999"]);
    let announced = stage.store.known_kinds().await.expect("an answer");
    assert!(announced.iter().any(|KnownKind { kind, .. }| *kind == Kind::new("webhook").expect("a kind")));
    for (path, body) in [
        ("/tasks", json!({"description": "d", "subtasks": [{"description": "d", "kind": "webhook"}]})),
        ("/assign-task", json!({"task_type": "webhook", "params": {"webhook_id": "wh_1", "event": {}}})),
    ] {
        let answer = stage.post(path, body.to_string()).await;
        assert_eq!(answer.json()["code"], "unknown_kind", "{}", answer.text);
    }
    assert!(!stage.get("/kinds").await.text.contains("webhook"));
}
