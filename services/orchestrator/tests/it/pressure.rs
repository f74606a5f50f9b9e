//! The governor: submissions are refused before Redis has to, and a loss of everything is seen.

use crate::stage::{Stage, config, eventually, stage_on};
use orchestrator::Config;
use orchestrator::governor::Limits;
use serde_json::json;
use std::time::Duration;
use system_tests::redis::PrivateRedis;

const BODY: &str = r#"{"description":"d","subtasks":[{"description":"a"}]}"#;
const SOON: Duration = Duration::from_secs(5);

async fn quick_stage(unfolded_max: u64) -> Stage {
    let limits = Limits { unfolded_max, look_every: Duration::from_millis(20) };
    let stage = stage_on(PrivateRedis::start().expect("a redis"), Config { limits, ..config() }).await;
    assert!(stage.store.wait_connected(SOON).await);
    stage
}

async fn refusing(stage: &Stage) -> String {
    stage.get("/ready").await.json()["refusing"].as_str().unwrap_or_default().to_owned()
}

/// Both doors are 429 with a time to come back, and nothing is stored.
async fn assert_refused(stage: &Stage, words: &str) {
    let before = stage.footprint();
    for (path, body) in [("/tasks", BODY), ("/assign-task", r#"{"task_type":"test_task"}"#)] {
        let answer = stage.post(path, body).await;
        let problem = answer.problem(429, "overloaded");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(words)), "{problem}");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    }
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn a_redis_that_is_nearly_full_is_left_to_what_is_under_way() {
    let stage = quick_stage(1_000_000).await;
    let id = stage.submit(BODY).await;
    let used = stage.redis.command(&["INFO", "memory"]).text();
    let used: u64 = used.lines().find_map(|line| line.strip_prefix("used_memory:")?.parse().ok()).expect("a number");
    stage.redis.command(&["CONFIG", "SET", "maxmemory", &(used * 10 / 9).to_string()]);
    eventually(SOON, || async { refusing(&stage).await == "memory" }).await;
    assert_refused(&stage, "80 %").await;
    assert_eq!(stage.get(&format!("/tasks/{id}")).await.status, 200, "reading goes on");
    assert_eq!(stage.post(&format!("/tasks/{id}/cancel"), "").await.status, 200, "and so does ending");
    stage.redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    // Who is refused hears it from Redis, and who looks must not read that all is well.
    eventually(SOON, || async { refusing(&stage).await == "out_of_memory" }).await;
    stage.post("/tasks", BODY).await.problem(503, "redis_out_of_memory");
    stage.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    eventually(SOON, || async { refusing(&stage).await.is_empty() }).await;
    stage.submit(BODY).await;
}

#[tokio::test]
async fn a_redis_that_refuses_writes_is_not_ready_until_it_takes_them_again() {
    let stage = quick_stage(1_000_000).await;
    let is_ready = async || stage.get("/ready").await.status == 200;
    eventually(SOON, is_ready).await;
    for (refuse, take) in [
        (&["CONFIG", "SET", "min-replicas-to-write", "1"][..], &["CONFIG", "SET", "min-replicas-to-write", "0"][..]),
        (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]),
    ] {
        stage.redis.command(refuse);
        // A client of a replica connects anew each time that it may not write.
        eventually(SOON, || async { stage.get("/ready").await.json()["missing"] == json!(["redis_writable"]) }).await;
        for _ in 0..20 {
            stage.get("/ready").await.problem(503, "not_ready");
        }
        stage.redis.command(take);
        eventually(SOON, is_ready).await;
    }
}

#[tokio::test]
async fn projectors_that_are_too_far_behind_stop_submissions_until_they_have_caught_up() {
    let stage = quick_stage(4).await;
    stage.store.create_projector_group().await.expect("a group");
    for _ in 0..5 {
        stage.submit(BODY).await;
    }
    eventually(SOON, || async { refusing(&stage).await == "unfolded_facts" }).await;
    assert_refused(&stage, "behind").await;
    stage.fold().await;
    eventually(SOON, || async { refusing(&stage).await.is_empty() }).await;
    stage.submit(BODY).await;
}

#[tokio::test]
async fn what_is_read_and_not_folded_counts_and_so_do_the_lines_of_an_entry() {
    let stage = quick_stage(4).await;
    let facts = "T 0 0 started 1 0 w 1\nT 1 0 started 1 0 w 1\nT 2 0 started 1 0 w 1";
    stage.store.create_projector_group().await.expect("a group");
    let add = || stage.redis.command(&["XADD", "events", "*", "v", "1", "by", "w", "facts", facts]);
    add();
    stage.store.read_events(&crate::stage::worker(), 10, Duration::from_millis(10)).await.expect("events");
    add();
    eventually(SOON, || async { refusing(&stage).await == "unfolded_facts" }).await;
    assert_eq!(stage.store.unfolded_facts().await.expect("a number"), 6);
}

#[tokio::test]
async fn where_redis_does_not_know_its_lag_the_time_of_the_log_stands_for_it() {
    let stage = quick_stage(1_000_000).await;
    stage.store.create_projector_group().await.expect("a group");
    let add = |id: &str| stage.redis.command(&["XADD", "events", id, "v", "1", "by", "w", "facts", "a\nb"]).text();
    for second in 1..=10 {
        add(&format!("{second}000-0"));
    }
    let unfolded = async || stage.store.unfolded_facts().await.expect("a number");
    let lag = || stage.redis.command(&["XINFO", "GROUPS", "events"]).items()[0].items().last().expect("a lag").clone();
    assert_eq!((unfolded().await, lag().integer()), (20, 10));
    stage.redis.command(&["XDEL", "events", "5000-0"]);
    assert_eq!(unfolded().await, 18, "nothing was read: {:?}", lag());
    stage.redis.command(&["XGROUP", "SETID", "events", "projector", "8000-0"]);
    assert!((2..=6).contains(&unfolded().await), "9 of 10 seconds were read");
    stage.redis.command(&["XGROUP", "SETID", "events", "projector", "10000-0"]);
    assert_eq!(unfolded().await, 0);
}

#[tokio::test]
async fn neither_the_begin_nor_the_end_of_what_is_unread_stands_for_all_of_it() {
    for (begin, end, right) in [(10, 1, 308), (1, 100, 830)] {
        let stage = quick_stage(1_000_000).await;
        stage.store.create_projector_group().await.expect("a group");
        for second in 1..=38 {
            let facts = vec!["a"; if second <= 30 { begin } else { end }].join("\n");
            stage.redis.command(&["XADD", "events", &format!("{second}000-0"), "v", "1", "by", "w", "facts", &facts]);
        }
        let unfolded = stage.store.unfolded_facts().await.expect("a number");
        assert!((right / 2..right * 2).contains(&unfolded), "{unfolded} for {right}");
    }
}

#[tokio::test]
async fn more_work_by_replay_or_dead_letter_is_refused_as_a_submission_is() {
    let stage = quick_stage(4).await;
    stage.store.create_projector_group().await.expect("a group");
    let id = stage.submit(BODY).await;
    let entries = stage.fetch(1).await;
    let letter = stage.bury(&entries[0], "broken").await;
    stage.fold().await;
    let add = ["XADD", "dead-letters", "*", "reason", "x", "error", "e", "worker", "w"];
    let nobodys = ["source", "subtasks:default:low 1-0", "task_id", "none", "subtask_id", "none-0", "description", "d"];
    let nobodys = stage.redis.command(&[&add[..], &nobodys[..]].concat()).text();
    for _ in 0..5 {
        stage.redis.command(&["XADD", "events", "*", "v", "1", "by", "w", "facts", "none 0 0 started 1 0 w 1"]);
    }
    eventually(SOON, || async { refusing(&stage).await == "unfolded_facts" }).await;
    let before = stage.footprint();
    let all = r#"{"matching":{}}"#;
    stage.post(&format!("/tasks/{id}/replay"), "").await.problem(429, "overloaded");
    stage.post(&format!("/dead-letters/{letter}/requeue"), "").await.problem(429, "overloaded");
    stage.post(&format!("/dead-letters/{nobodys}/requeue"), "").await.problem(429, "overloaded");
    stage.post("/dead-letters/requeue", all).await.problem(429, "overloaded");
    assert_eq!(stage.footprint(), before);
    stage.fold().await;
    eventually(SOON, || async { refusing(&stage).await.is_empty() }).await;
    let told = stage.post("/dead-letters/requeue", all).await.json();
    assert_eq!((&told["matched"], &told["requeued"], &told["left"]), (&json!(2), &json!(2), &json!(0)));
}

#[tokio::test]
async fn a_request_that_is_sent_again_gets_its_task_whatever_is_refused_by_now() {
    let stage = quick_stage(4).await;
    stage.store.create_projector_group().await.expect("a group");
    stage.redis.command(&["HSET", "kinds", "rare", &format!("default {}", 9_000_000_000_000_u64)]);
    let body = r#"{"description":"d","deadline_seconds":77,"context":{"n": 1.0},"subtasks":[{"description":"a","kind":"rare"}]}"#;
    let typed = r#"{"task_type":"rare"}"#;
    let first = stage.post_with_key("/tasks", "k", body).await;
    let assigned = stage.post_with_key("/assign-task", "t", typed).await;
    assert_eq!((first.status, assigned.status), (202, 200), "{} {}", first.text, assigned.text);
    stage.redis.command(&["HSET", "kinds", "rare", "default 1"]); // nobody has served it for long
    for _ in 0..5 {
        stage.redis.command(&["XADD", "events", "*", "v", "1", "by", "w", "facts", "none 0 0 started 1 0 w 1"]);
    }
    eventually(SOON, || async { refusing(&stage).await == "unfolded_facts" }).await;
    // What is known of kinds is remembered for a second.
    eventually(SOON, || async { stage.post("/tasks", body).await.status == 422 }).await;
    let again = stage.post_with_key("/tasks", "k", body).await;
    assert_eq!((again.status, &again.text), (202, &first.text));
    assert_eq!(again.header("idempotency-replayed"), "true");
    let again = stage.post_with_key("/assign-task", "t", typed).await;
    assert_eq!((again.status, &again.json()["task_id"]), (200, &assigned.json()["task_id"]));
    stage.post_with_key("/tasks", "new", BODY).await.problem(429, "overloaded");
    stage.post_with_key("/tasks", "new", body).await.problem(422, "unknown_kind");
}

#[tokio::test]
async fn a_loss_of_everything_is_counted_and_shown() {
    let stage = quick_stage(1_000_000).await;
    let redis = async || stage.get("/ready").await.json()["redis"].clone();
    eventually(SOON, || async { redis().await["epoch"].is_string() }).await;
    let before = redis().await;
    assert_eq!(before["losses"], 0);
    assert!(!before["warnings"].to_string().contains("lost everything"), "{before}");
    assert_eq!(stage.redis.command(&["HGET", "meta", "epoch"]).text(), before["epoch"].as_str().expect("a name"));
    stage.redis.command(&["FLUSHALL"]);
    eventually(SOON, || async { redis().await["losses"] == 1 }).await;
    let after = redis().await;
    assert!(after["warnings"][0].as_str().is_some_and(|text| text.contains("lost everything")), "{after}");
    stage.redis.command(&["HSET", "meta", "epoch", "another"]);
    eventually(SOON, || async { redis().await["losses"] == 2 }).await;
    assert_eq!(redis().await["epoch"], "another");
}

#[tokio::test]
async fn letters_that_were_trimmed_away_are_told() {
    let stage = quick_stage(1_000_000).await;
    stage.redis.command(&["HSET", "meta", "dead_letters_trimmed", "7"]);
    let redis = stage.get("/ready").await.json()["redis"].clone();
    assert_eq!(redis["dead_letters_trimmed"], 7);
    assert!(redis["warnings"][0].as_str().is_some_and(|text| text.starts_with("7 dead letters")), "{redis}");
    assert_eq!(stage.get("/dead-letters").await.json()["trimmed"], 7);
}
