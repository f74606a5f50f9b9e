//! WAIT_REPLICAS: a submission is accepted once replicas have it.

use crate::stage::{Stage, config, eventually, stage_on};
use futures::future::{join, join_all};
use orchestrator::Config;
use orchestrator::replicas::ReplicaOrder;
use std::process::Command;
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;

const BODY: &str = r#"{"description":"d","subtasks":[{"description":"a"}]}"#;

async fn waiting_stage(limit: Duration) -> Stage {
    let order = ReplicaOrder { count: 1, limit };
    let redis = PrivateRedis::start_with(&["--appendonly", "no", "--repl-diskless-sync-delay", "0"]);
    stage_on(redis.expect("a redis"), Config { replicas: Some(order), ..config() }).await
}

async fn replica_of(stage: &Stage) -> PrivateRedis {
    let replica = PrivateRedis::start().expect("a redis");
    replica.command(&["REPLICAOF", "127.0.0.1", &stage.redis.port().to_string()]);
    let online = || stage.redis.command(&["INFO", "replication"]).text().contains("state=online");
    eventually(Duration::from_secs(20), || async { online() }).await;
    // Online is not caught up yet.
    eventually(Duration::from_secs(20), || async { stage.post_with_key("/tasks", "k", BODY).await.status == 202 })
        .await;
    replica
}

#[tokio::test]
async fn a_submission_that_no_replica_has_says_so_and_is_there_once_one_has() {
    let stage = waiting_stage(Duration::from_millis(200)).await;
    let alone = stage.post_with_key("/tasks", "k", BODY).await;
    let problem = alone.problem(503, "not_replicated");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("Idempotency-Key")));
    assert!(!alone.header("retry-after").is_empty());
    assert_eq!(stage.redis.command(&["ZCARD", "tasks"]).integer(), 1, "it is stored all the same");

    let replica = replica_of(&stage).await;
    let again = stage.post_with_key("/tasks", "k", BODY).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (202, "true"), "{}", again.text);
    let id = stage.submit(BODY).await;
    assert_eq!(replica.command(&["EXISTS", &format!("task:{id}")]).integer(), 1, "it has what was accepted");
}

#[tokio::test]
async fn a_replica_that_hangs_vouches_for_nothing_and_holds_up_no_reader() {
    let stage = waiting_stage(Duration::from_secs(1)).await;
    let replica = replica_of(&stage).await;
    let id = stage.submit(BODY).await;
    let signal = |name: &str| {
        let pid = replica.pid().expect("it runs").to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill").success());
    };
    signal("-STOP");
    let reading = async {
        let asked = || stage.redis.command(&["INFO", "clients"]).text().contains("blocked_clients:1");
        eventually(Duration::from_secs(5), || async { asked() }).await;
        let started = Instant::now();
        assert_eq!(stage.get(&format!("/tasks/{id}")).await.status, 200);
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    };
    let (answers, ()) = join(join_all((0..8).map(|_| stage.post("/tasks", BODY))), reading).await;
    signal("-CONT");
    for answer in &answers {
        answer.problem(503, "not_replicated");
    }
    eventually(Duration::from_secs(10), || async { stage.post("/tasks", BODY).await.status == 202 }).await;
}

#[tokio::test]
async fn many_at_once_share_their_waits() {
    let stage = waiting_stage(Duration::from_millis(200)).await;
    let _replica = replica_of(&stage).await;
    stage.submit(BODY).await;
    stage.redis.command(&["CONFIG", "RESETSTAT"]);
    let answers = join_all((0..50).map(|_| stage.post("/tasks", BODY))).await;
    assert!(answers.iter().all(|answer| answer.status == 202));
    let stats = stage.redis.command(&["INFO", "commandstats"]).text();
    let waits = stats.lines().find_map(|line| line.strip_prefix("cmdstat_wait:calls=")).expect("it waited");
    let waits: u32 = waits.split(',').next().and_then(|text| text.parse().ok()).expect("a number");
    assert!((1..50).contains(&waits), "{waits}");
}

#[tokio::test]
async fn a_batch_that_no_replica_has_says_so_of_each_task_that_is_stored() {
    let stage = waiting_stage(Duration::from_millis(200)).await;
    let answer = stage.post("/tasks/batch", format!(r#"{{"tasks":[{BODY},{BODY},{{}}]}}"#)).await;
    assert_eq!((answer.status, answer.header("retry-after").is_empty()), (200, false), "{}", answer.text);
    let batch = answer.json();
    let codes: Vec<_> = (0..3).map(|at| batch["tasks"][at]["problem"]["code"].as_str().expect("a code")).collect();
    assert_eq!(codes, ["not_replicated", "not_replicated", "invalid_request"]);
    assert_eq!(stage.redis.command(&["ZCARD", "tasks"]).integer(), 2, "they are stored all the same");
}
