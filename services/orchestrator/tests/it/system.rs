//! API-2, /livez and /ready, and the address.

use crate::stage::{config, eventually, stage, stage_on};
use orchestrator::governor::Limits;
use orchestrator::{Config, OrchestratorError, Server};
use serde_json::json;
use std::time::Duration;
use system_tests::redis::PrivateRedis;

#[tokio::test]
async fn the_entrance_names_the_service_and_links_that_work() {
    let stage = stage().await;
    let json = stage.get("/").await.json();
    assert_eq!((&json["service"], &json["status"]), (&json!("orchestrator"), &json!("running")));
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    for (name, link) in json["links"].as_object().expect("links") {
        let status = stage.get(link.as_str().expect("a path")).await.status;
        assert_eq!(status, if name == "assign_task" { 405 } else { 200 }, "{name}");
    }
}

#[tokio::test]
async fn health_and_liveness_answer_without_asking_redis() {
    let limits = Limits { look_every: Duration::from_secs(3_600), ..config().limits };
    let stage = stage_on(PrivateRedis::start().expect("a redis"), Config { limits, ..config() }).await;
    // The governor's one look is over once the epoch is known.
    eventually(Duration::from_secs(5), || async { stage.get("/ready").await.text.contains("epoch") }).await;
    let commands = || {
        let info = stage.redis.command(&["INFO", "commandstats"]).text();
        info.lines().filter(|line| !line.starts_with("cmdstat_info")).map(str::to_owned).collect::<Vec<_>>()
    };
    stage.get("/ready").await;
    let before = commands();
    for _ in 0..3 {
        let health = stage.get("/health").await;
        let json = health.json();
        assert_eq!(health.status, 200);
        assert_eq!((&json["status"], &json["service"]), (&json!("healthy"), &json!("orchestrator")));
        assert_eq!(json["redis"], "connected");
        assert!(json["timestamp"].as_str().is_some_and(|text| text.ends_with('Z')));
        assert_eq!(stage.get("/livez").await.json(), json!({ "status": "alive" }));
    }
    let ping = |line: &String| line.starts_with("cmdstat_ping"); // the client library's own
    assert_eq!(
        commands().into_iter().filter(|line| !ping(line)).collect::<Vec<_>>(),
        before.into_iter().filter(|line| !ping(line)).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn ready_says_what_redis_promises() {
    let stage = stage().await;
    let json = stage.get("/ready").await.json();
    assert_eq!(
        (&json["status"], &json["database"], &json["reflex_layer"]),
        (&json!("ready"), &json!("disabled"), &json!("disabled"))
    );
    let redis = &json["redis"];
    assert_eq!((&redis["connected"], &redis["durability"]), (&json!(true), &json!("none")));
    assert_eq!((&redis["maxmemory_policy"], &redis["maxmemory_bytes"]), (&json!("noeviction"), &json!(0)));
    assert!(redis["warnings"][0].as_str().is_some_and(|text| text.contains("maxmemory is 0")), "{redis}");
    assert!(redis["promise"].as_str().is_some_and(|text| text.contains("lost")));
    assert!(redis["version"].as_str().is_some_and(|text| text.contains('.')));

    stage.redis.command(&["CONFIG", "SET", "maxmemory", "100mb"]);
    let bounded = stage.get("/ready").await.json()["redis"].clone();
    assert_eq!((&bounded["maxmemory_bytes"], &bounded["warnings"]), (&json!(100 << 20), &json!([])));
    stage.redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let warned = stage.get("/ready").await.json();
    assert!(warned["redis"]["warnings"][0].as_str().is_some_and(|text| text.contains("noeviction")));

    let stage = stage_on(PrivateRedis::start_aof_always().expect("a redis"), config()).await;
    assert!(stage.store.wait_connected(Duration::from_secs(5)).await);
    assert_eq!(stage.get("/ready").await.json()["redis"]["durability"], "always");
}

#[tokio::test]
async fn a_taken_port_is_named_by_the_error() {
    let first = Server::bind(config()).await.expect("a free port");
    let port = first.address().port();
    let refused = Server::bind(Config { port, ..config() }).await.err().expect("the port is taken");
    assert!(matches!(&refused, OrchestratorError::Bind { port: named, .. } if *named == port));
    assert!(refused.to_string().contains(&port.to_string()));
}
