//! API-11: whatever Redis says in place of an answer, a submission is 503 with a time to come back, not a byte of it is
//! stored, then or later, and the next one is accepted as soon as Redis is well.

use crate::stage::{Answer, Stage, config, eventually, stage_on};
use orchestrator::Config;
use proto_schemas::QueueName;
use redis_store::throttle::Allowance;
use serde_json::json;
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;

const SOON: Duration = Duration::from_secs(15);
const IN_TIME: Duration = Duration::from_secs(3);
const TASK: &str = r#"{"description":"d"}"#;
const UNAVAILABLE: &str = "redis_unavailable";

/// Every way to submit, at once.
async fn submissions(stage: &Stage, key: &str) -> [Answer; 4] {
    let (plain, with_key, typed, batch) = tokio::join!(
        stage.post("/tasks", TASK),
        stage.post_with_key("/tasks", key, TASK),
        stage.post("/assign-task/", r#"{"task_type":"test_task"}"#),
        stage.post("/tasks/batch", format!(r#"{{"tasks":[{TASK},{TASK}]}}"#)),
    );
    [plain, with_key, typed, batch]
}

/// A stage on this Redis with which nothing is going on.
async fn quiet(redis: PrivateRedis) -> Stage {
    let stage = stage_on(redis, config()).await;
    assert!(stage.store.wait_connected(SOON).await);
    stage.store.create_worker_groups(&QueueName::default_queue()).await.expect("groups");
    stage.submit(TASK).await;
    stage
}

async fn assert_refused(stage: &Stage, key: &str, code: &str) {
    let began = Instant::now();
    let answers = submissions(stage, key).await;
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    for answer in answers {
        if answer.status == 200 {
            let told = answer.json(); // of a batch, whose tasks are refused one by one
            assert_eq!(told["accepted"], 0, "{told}");
            assert!(told["tasks"].as_array().expect("a list").iter().all(|it| it["problem"]["code"] == code), "{told}");
        } else {
            answer.problem(503, code);
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=2).contains(&seconds)));
        }
    }
}

/// A task is accepted, and the request with the key that was refused is one task however often it is sent.
async fn assert_well_again(stage: &Stage, key: &str) {
    eventually(SOON, || async { stage.post("/tasks", TASK).await.status == 202 }).await;
    let first = stage.post_with_key("/tasks", key, TASK).await;
    let second = stage.post_with_key("/tasks", key, TASK).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (202, ""), "it was not stored before");
    assert_eq!(first.json()["task_id"], second.json()["task_id"]);
}

/// From `enter` to `leave` all is refused with `code`, and nothing changes; `word` is what Redis says.
async fn check(stage: &Stage, word: &str, code: &str, enter: &[&[&str]], leave: &[&[&str]]) {
    let say = |commands: &[&[&str]]| {
        for command in commands {
            assert_eq!(stage.redis.command(command).text(), "OK", "{command:?}");
        }
    };
    let before = stage.digest();
    say(enter);
    let told = [stage.redis.command(&["SET", "a", "b"]).text(), stage.redis.command(&["GET", "a"]).text()];
    assert!(told.iter().any(|it| it.starts_with(word)), "{told:?}");
    assert_refused(stage, word, code).await;
    say(leave);
    assert_eq!(stage.digest(), before, "{word}");
    assert_well_again(stage, word).await;
}

#[tokio::test]
async fn a_redis_that_refuses_to_write_gets_nothing_and_says_when_to_come_back() {
    let stage = quiet(PrivateRedis::start().expect("a redis")).await;
    let replica: [&[&str]; 1] = [&["REPLICAOF", "127.0.0.1", "1"]];
    let primary: [&[&str]; 1] = [&["REPLICAOF", "NO", "ONE"]];
    let stale = |value: &'static str| ["CONFIG", "SET", "replica-serve-stale-data", value];
    let replicas = |value: &'static str| ["CONFIG", "SET", "min-replicas-to-write", value];
    let memory = |value: &'static str| ["CONFIG", "SET", "maxmemory", value];
    check(&stage, "READONLY", UNAVAILABLE, &replica, &primary).await;
    check(&stage, "MASTERDOWN", UNAVAILABLE, &[&stale("no"), replica[0]], &[primary[0], &stale("yes")]).await;
    check(&stage, "NOREPLICAS", UNAVAILABLE, &[&replicas("1")], &[&replicas("0")]).await;
    check(&stage, "OOM", "redis_out_of_memory", &[&memory("1")], &[&memory("0")]).await;
}

#[tokio::test]
async fn whoever_looks_does_not_wait_for_a_count_that_redis_refuses() {
    let allowance = Some(Allowance { requests: 1, window: Duration::from_secs(3_600) });
    let stage = stage_on(PrivateRedis::start().expect("a redis"), Config { allowance, ..config() }).await;
    assert!(stage.store.wait_connected(SOON).await);
    assert_eq!(stage.redis.command(&["REPLICAOF", "127.0.0.1", "1"]).text(), "OK");
    eventually(SOON, || async { stage.get("/ready").await.json()["missing"] == json!(["redis_writable"]) }).await;
    let began = Instant::now();
    for _ in 0..2 {
        assert_eq!(stage.get("/tasks").await.status, 200);
    }
    // The store tries a write again for two seconds.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_redis_whose_snapshot_has_failed_gets_nothing() {
    let redis = PrivateRedis::start_with(&["--appendonly", "no", "--dbfilename", "taken"]).expect("a redis");
    std::fs::create_dir(redis.directory().join("taken")).expect("a directory where the snapshot would be");
    let stage = quiet(redis).await;
    let snapshot = async |is_sound: &str| {
        stage.redis.command(&["BGSAVE"]);
        let state = format!("rdb_last_bgsave_status:{is_sound}");
        eventually(SOON, || async { stage.redis.command(&["INFO", "persistence"]).text().contains(&state) }).await;
    };
    assert_eq!(stage.redis.command(&["CONFIG", "SET", "save", "3600 1"]).text(), "OK");
    let before = stage.digest();
    snapshot("err").await;
    assert!(stage.redis.command(&["SET", "a", "b"]).text().starts_with("MISCONF"));
    assert_refused(&stage, "k", UNAVAILABLE).await;
    std::fs::remove_dir(stage.redis.directory().join("taken")).expect("it is gone");
    snapshot("ok").await;
    assert_eq!(stage.digest(), before);
    assert_well_again(&stage, "k").await;
}

#[tokio::test]
async fn a_redis_that_reads_its_data_gets_nothing_until_it_has() {
    let mut stage = quiet(PrivateRedis::start_slow_to_load().expect("a redis")).await;
    // Enough to read for all that is asked meanwhile: 5 ms each.
    stage.redis.command(&["EVAL", "for i = 1, 1200 do redis.call('SET', i, string.rep('x', 1024)) end", "0"]);
    stage.redis.rewrite_log();
    let before = stage.digest();
    stage.redis.restart_into_loading().expect("the same port");
    assert_refused(&stage, "k", UNAVAILABLE).await;
    assert!(stage.redis.command(&["DBSIZE"]).text().starts_with("LOADING"), "it has read all of it already");
    stage.get("/ready").await.problem(503, "not_ready");
    stage.redis.await_ready().expect("it has read its data");
    eventually(SOON, || async { stage.get("/ready").await.status == 200 }).await;
    assert_eq!(stage.digest(), before);
    assert_well_again(&stage, "k").await;
}

#[tokio::test]
async fn a_redis_that_is_gone_gets_nothing_late() {
    let mut stage = quiet(PrivateRedis::start_aof_always().expect("a redis")).await;
    let before = stage.digest();
    stage.redis.kill();
    assert_refused(&stage, "k", UNAVAILABLE).await;
    stage.redis.restart().expect("the same port");
    eventually(SOON, || async { stage.get("/ready").await.status == 200 }).await;
    assert_eq!(stage.digest(), before, "what waited for the connection was not sent when it came back");
    assert_well_again(&stage, "k").await;
}

#[tokio::test]
async fn a_cluster_that_is_down_gets_nothing() {
    let cluster = ["--appendonly", "no", "--cluster-enabled", "yes"];
    let stage = stage_on(PrivateRedis::start_with(&cluster).expect("a redis"), config()).await;
    assert!(stage.store.wait_connected(SOON).await);
    assert!(stage.redis.command(&["SET", "a", "b"]).text().starts_with("CLUSTERDOWN"));
    assert_refused(&stage, "k", UNAVAILABLE).await;
    assert_eq!(stage.redis.command(&["DBSIZE"]).integer(), 0);
    assert_eq!(stage.get("/ready").await.json()["missing"], json!(["redis"]));
}
