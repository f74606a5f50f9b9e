//! API-3: `/metrics` counts what was answered and tells what Redis holds.

use crate::follower::follow;
use crate::raw::Raw;
use crate::stage::{Stage, config, eventually, stage, stage_on};
use orchestrator::Config;
use proto_schemas::{FactKind, Priority};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;
use system_tests::scrape::Scrape;
use telemetry::metric::{ALL, Service};

const BODY: &str = r#"{"description":"d","subtasks":[{"description":"a"},{"description":"b"}]}"#;
const SOON: Duration = Duration::from_secs(10);

async fn scrape(stage: &Stage) -> Scrape {
    let answer = stage.get("/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    Scrape::parse(&answer.text).expect("a sound text")
}

fn requests(scrape: &Scrape, method: &str, route: &str, status: &str) -> Option<f64> {
    let labels = [("method", method), ("route", route), ("status", status)];
    scrape.value("millstream_http_requests_total", &labels)
}

#[tokio::test]
async fn what_is_no_request_is_counted_too_and_so_is_who_listens() {
    let stage = stage().await;
    let id = stage.submit(BODY).await;
    let mut raw = Raw::connect(&stage).await;
    raw.send("GET /health HTTP/1.1\r\n\r\n").await;
    raw.answer().await.problem(400, "bad_request");
    let before = scrape(&stage).await;
    assert_eq!(before.value("millstream_http_problems_total", &[("code", "bad_request")]), Some(1.0));
    assert_eq!(before.value("millstream_sse_clients", &[]), Some(0.0));
    let _follower = follow(&stage, &id).await;
    assert_eq!(scrape(&stage).await.value("millstream_sse_clients", &[]), Some(1.0));
}

#[tokio::test]
async fn an_end_by_a_client_is_counted_once_and_timed() {
    let stage = stage().await;
    let id = stage.submit(BODY).await;
    for _ in 0..2 {
        assert_eq!(stage.post(&format!("/tasks/{id}/cancel"), "").await.status, 200);
    }
    let scrape = scrape(&stage).await;
    let labels = [("kind", "simulate"), ("status", "cancelled")];
    let count = |name: &str| scrape.value(&format!("millstream_{name}"), &labels);
    assert_eq!((count("tasks_ended_total"), count("task_duration_seconds_count")), (Some(1.0), Some(1.0)));
}

#[tokio::test]
async fn answers_are_counted_by_template_and_problems_by_code() {
    let stage = stage().await;
    let id = stage.submit(BODY).await;
    stage.post("/assign-task/", r#"{"task_type":"test_task"}"#).await;
    for _ in 0..3 {
        stage.get(&format!("/tasks/{id}")).await;
    }
    stage.get("/tasks/none").await;
    stage.get("/no/such/path").await;
    stage.post("/tasks", "{").await;
    stage.send("BREW", "/tasks", &[], "".into()).await;
    stage.send("DELETE", "/health", &[], "".into()).await;
    let scrape = scrape(&stage).await;
    for (method, route, status, count) in [
        ("POST", "/tasks", "202", 1.0),
        ("POST", "/assign-task", "200", 1.0),
        ("GET", "/tasks/{task_id}", "200", 3.0),
        ("GET", "/tasks/{task_id}", "404", 1.0),
        ("GET", "unmatched", "404", 1.0),
        ("POST", "/tasks", "400", 1.0),
        ("other", "/tasks", "405", 1.0),
        ("DELETE", "/health", "405", 1.0),
    ] {
        assert_eq!(requests(&scrape, method, route, status), Some(count), "{method} {route} {status}");
    }
    let problems = |code| scrape.value("millstream_http_problems_total", &[("code", code)]);
    let codes = ["task_not_found", "not_found", "malformed_json", "method_not_allowed"];
    assert_eq!(codes.map(problems), [1.0, 1.0, 1.0, 2.0].map(Some));
    let accepted = |door| scrape.value("millstream_tasks_accepted_total", &[("door", door)]);
    assert_eq!(["native", "typed"].map(accepted), [Some(1.0), Some(1.0)]);
    let took = [("method", "GET"), ("route", "/tasks/{task_id}")];
    assert_eq!(scrape.value("millstream_http_request_seconds_count", &took), Some(4.0));
    assert!(!stage.get("/metrics").await.text.contains(&id), "no label has an id");
}

#[tokio::test]
async fn what_redis_holds_is_told() {
    let stage = stage().await;
    let id = stage.submit(BODY).await;
    let long_ago = stage.store.now_ms().await.expect("a time") - 40_000;
    let fields = ["task_id", "old", "subtask_id", "old-0", "description", "by hand"];
    let old = ["XADD", "subtasks:default:low", &format!("{long_ago}-0")];
    stage.redis.command(&[&old[..], &fields].concat());
    let fetched = stage.fetch(1).await; // one of each stream
    let value =
        |scrape: &Scrape, name: &str, labels: &[(&str, &str)]| scrape.value(&format!("millstream_{name}"), labels);
    let first = scrape(&stage).await;
    let medium = ("stream", "subtasks:default:medium");
    for (name, labels, expect) in [
        ("redis_up", &[][..], 1.0),
        ("tasks", &[("status", "queued")], 1.0),
        ("tasks", &[("status", "failed")], 0.0),
        ("backlog_entries", &[("queue", "default"), ("priority", "medium")], 1.0),
        ("stream_entries", &[medium], 2.0),
        ("group_pending_entries", &[medium, ("group", "workers")], 1.0),
        ("group_lag_entries", &[medium, ("group", "workers")], 1.0),
        ("group_lag_known", &[medium, ("group", "workers")], 1.0),
        ("delayed_subtasks", &[], 0.0),
        ("dead_letters", &[], 0.0),
        ("workers", &[("state", "alive")], 0.0),
    ] {
        assert_eq!(value(&first, name, labels), Some(expect), "{name} {labels:?}");
    }
    let waiting = value(&first, "backlog_oldest_age_seconds", &[("queue", "default"), ("priority", "medium")]);
    assert!(waiting.is_some_and(|seconds| seconds < 100.0), "{waiting:?}");
    let low = [("stream", "subtasks:default:low"), ("group", "workers")];
    let age = value(&first, "group_oldest_pending_age_seconds", &low);
    assert!(age.is_some_and(|seconds| (40.0..100.0).contains(&seconds)), "{age:?}");
    let of_task = fetched.iter().find(|fetched| fetched.stream.priority == Priority::Medium).expect("one");
    stage.settle(of_task, FactKind::Failed, None).await;
    stage.fold().await;
    // What was read may be a second old.
    eventually(SOON, async || value(&scrape(&stage).await, "stream_entries", &[medium]) == Some(1.0)).await;
    let second = scrape(&stage).await;
    assert_eq!(value(&second, "tasks", &[("status", "queued")]), Some(0.0));
    assert_eq!(value(&second, "projector_lag_seconds", &[]), Some(0.0));
    assert_eq!((first.fell(&second), value(&second, "unfolded_facts", &[])), (None, Some(0.0)));
    assert!(value(&second, "events_bytes", &[]) > Some(0.0) && value(&second, "redis_memory_bytes", &[]) > Some(0.0));
    assert!(!stage.get("/metrics").await.text.contains(&id));
}

#[tokio::test]
async fn a_lag_that_redis_does_not_know_is_left_out_and_said_to_be_unknown() {
    let stage = stage().await;
    stage.submit(BODY).await;
    stage.submit(BODY).await;
    let stream = "subtasks:default:medium";
    stage.fetch(1).await;
    let entries = stage.redis.command(&["XRANGE", stream, "-", "+"]);
    stage.redis.command(&["XDEL", stream, &entries.items()[2].items()[0].text()]);
    let scrape = scrape(&stage).await;
    let labels = [("stream", stream), ("group", "workers")];
    assert_eq!(scrape.value("millstream_group_lag_known", &labels), Some(0.0));
    assert_eq!(scrape.value("millstream_group_lag_entries", &labels), None);
    let backlog = [("queue", "default"), ("priority", "medium")];
    assert_eq!(scrape.value("millstream_backlog_entries", &backlog), Some(2.0), "this one is exact all the same");
}

#[tokio::test]
async fn many_scrapes_are_one_read_of_redis() {
    let stage = stage().await;
    scrape(&stage).await;
    let reads = || {
        let text = stage.redis.command(&["INFO", "commandstats"]).text();
        let line = text.lines().find(|line| line.starts_with("cmdstat_zcount:")).expect("it was asked").to_owned();
        line.split(['=', ',']).nth(1).and_then(|calls| calls.parse::<u64>().ok()).expect("a number")
    };
    let (before, began) = (reads(), Instant::now());
    futures::future::join_all((0..50).map(|_| scrape(&stage))).await;
    let (after, seconds) = (reads(), began.elapsed().as_secs());
    assert!(after - before <= 1 + seconds, "{} reads in {seconds} s", after - before);
}

#[tokio::test]
async fn without_redis_a_scrape_is_answered_in_time_and_says_so() {
    let mut redis = PrivateRedis::start().expect("a redis of our own");
    redis.kill();
    let mut stage = stage_on(redis, config()).await;
    let began = Instant::now();
    let without = scrape(&stage).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(without.value("millstream_redis_up", &[]), Some(0.0));
    assert_eq!(without.total("millstream_tasks") + without.total("millstream_backlog_entries"), 0.0);
    assert!(!without.types().contains_key("millstream_tasks"), "nothing is told of what is not known");
    let unavailable = without.value("millstream_redis_errors_total", &[("class", "unavailable")]);
    assert!(unavailable >= Some(1.0), "{unavailable:?}");
    stage.redis.restart().expect("the same port");
    eventually(SOON, async || scrape(&stage).await.value("millstream_redis_up", &[]) == Some(1.0)).await;
    assert_eq!(without.fell(&scrape(&stage).await), None);
}

#[tokio::test]
async fn a_redis_that_hangs_holds_up_no_scrape() {
    let stage = stage().await;
    let pid = stage.redis.pid().expect("it runs").to_string();
    let signal =
        |name: &str| assert!(std::process::Command::new("kill").args([name, &pid]).status().expect("kill").success());
    assert_eq!(scrape(&stage).await.value("millstream_redis_up", &[]), Some(1.0));
    signal("-STOP");
    let longest = std::cell::Cell::new(Duration::ZERO);
    eventually(SOON, async || {
        let began = Instant::now();
        let is_down = scrape(&stage).await.value("millstream_redis_up", &[]) == Some(0.0);
        longest.set(longest.get().max(began.elapsed()));
        is_down
    })
    .await;
    signal("-CONT");
    assert!(longest.get() < Duration::from_secs(2), "{longest:?}");
}

#[tokio::test]
async fn what_is_refused_for_want_of_room_is_counted_by_what_is_full() {
    let full = Config { backlog_max: 1, ..config() };
    let stage = stage_on(PrivateRedis::start().expect("a redis"), full).await;
    assert!(stage.store.wait_connected(SOON).await);
    for _ in 0..2 {
        stage.post("/tasks", BODY).await.problem(429, "overloaded");
    }
    let scrape = scrape(&stage).await;
    let refusals = |reason| scrape.value("millstream_overload_refusals_total", &[("reason", reason)]);
    assert_eq!(["backlog", "memory", "unfolded_facts"].map(refusals), [Some(2.0), Some(0.0), Some(0.0)]);
    assert_eq!(scrape.total("millstream_tasks_accepted_total"), 0.0);
}

#[tokio::test]
async fn the_list_and_the_page_name_the_same_metrics() {
    let stage = stage().await;
    stage.redis.command(&["CONFIG", "SET", "maxmemory", "1gb"]);
    let id = stage.submit(BODY).await;
    stage.post(&format!("/tasks/{id}/cancel"), "").await;
    stage.get("/nothing").await;
    stage.fetch(1).await;
    let now_ms = stage.store.now_ms().await.expect("a time");
    stage.redis.command(&["ZADD", "workers", &now_ms.to_string(), "w"]);
    stage.redis.command(&["HSET", "worker:w", "slots", "5", "running", "2", "heartbeat_at", &now_ms.to_string()]);
    let scrape = scrape(&stage).await;
    let listed = ALL.iter().filter(|metric| metric.services.contains(&Service::Orchestrator));
    let listed: BTreeSet<(&str, &str)> = listed.map(|metric| (metric.name, metric.shape.as_str())).collect();
    let served: BTreeSet<(&str, &str)> =
        scrape.types().iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    assert_eq!(served, listed);
    let free = scrape.value("millstream_worker_slots", &[("state", "free")]);
    assert_eq!((free, scrape.value("millstream_workers", &[("state", "alive")])), (Some(3.0), Some(1.0)));
}
