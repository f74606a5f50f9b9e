//! API-2, /livez and /ready, and the address.

use crate::outage::signal;
use crate::stage::{config, eventually, stage, stage_on};
use futures::future::join_all;
use orchestrator::governor::Limits;
use orchestrator::{Config, OrchestratorError, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
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
    let redis = async || stage.get("/ready").await.json()["redis"].clone();
    let is_bounded = |redis: Value| redis["maxmemory_bytes"] == 100 << 20 && redis["warnings"] == json!([]);
    eventually(Duration::from_secs(5), async || is_bounded(redis().await)).await;
    stage.redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    eventually(Duration::from_secs(5), async || redis().await["warnings"].to_string().contains("noeviction")).await;

    let stage = stage_on(PrivateRedis::start_aof_always().expect("a redis"), config()).await;
    assert!(stage.store.wait_connected(Duration::from_secs(5)).await);
    assert_eq!(stage.get("/ready").await.json()["redis"]["durability"], "always");
}

#[tokio::test]
async fn however_many_ask_whether_it_is_ready_redis_is_asked_once_a_second() {
    let stage = stage().await;
    // Nobody else asks for a setting.
    let reads = || {
        let text = stage.redis.command(&["INFO", "commandstats"]).text();
        let line = text.lines().find(|line| line.starts_with("cmdstat_config|get:")).expect("it was asked").to_owned();
        line.split(['=', ',']).nth(1).and_then(|calls| calls.parse::<u64>().ok()).expect("a number")
    };
    stage.redis.command(&["CONFIG", "SET", "appendonly", "yes"]); // whose fsync is a setting to ask for
    eventually(Duration::from_secs(5), async || stage.get("/ready").await.text.contains("everysec")).await;
    let (before, began) = (reads(), Instant::now());
    let answers = join_all((0..50).map(|_| stage.get("/ready"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let (after, seconds) = (reads(), began.elapsed().as_secs());
    assert!(after - before <= 1 + seconds, "{} reads in {seconds} s", after - before);
}

#[tokio::test]
async fn all_who_ask_a_redis_that_hangs_are_told_in_time_that_it_is_not_ready() {
    let stage = stage().await;
    let asked = || join_all((0..20).map(|_| stage.get("/ready")));
    assert!(asked().await.iter().all(|answer| answer.status == 200));
    signal(&stage, "-STOP");
    for _ in 0..2 {
        let began = Instant::now();
        eventually(Duration::from_secs(5), async || asked().await.iter().all(|answer| answer.status == 503)).await;
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
    signal(&stage, "-CONT");
    eventually(Duration::from_secs(15), async || asked().await.iter().all(|answer| answer.status == 200)).await;
}

#[tokio::test]
async fn a_taken_port_is_named_by_the_error() {
    let first = Server::bind(config()).await.expect("a free port");
    let port = first.address().port();
    let refused = Server::bind(Config { port, ..config() }).await.err().expect("the port is taken");
    assert!(matches!(&refused, OrchestratorError::Bind { port: named, .. } if *named == port));
    assert!(refused.to_string().contains(&port.to_string()));
}
