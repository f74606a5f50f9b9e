//! The connection: what happens when Redis is away, hangs, comes back, or is not ours to enter.

use crate::stage::{ADMISSION, MEDIUM, Stage, eventually, name, stage, stage_on, store_at, submission, task_id};
use redis_store::submit::Submitted;
use redis_store::{StoreError, Stream};
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;

const SECOND: Duration = Duration::from_secs(1);

async fn durable() -> Stage {
    stage_on(PrivateRedis::start_aof_always().expect("a redis of our own")).await
}

#[tokio::test]
async fn without_redis_a_command_fails_within_its_patience_and_the_same_store_works_again() {
    let mut stage = durable().await;
    stage.submit("T", 1).await;
    stage.redis.kill();
    for patience in [Duration::ZERO, SECOND] {
        let begun = Instant::now();
        let answer = stage.store.with_patience(patience).submit(&submission("U", 1), ADMISSION).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        assert!(begun.elapsed() < patience + SECOND, "{patience:?}: {:?}", begun.elapsed());
    }
    assert!(!stage.store.is_connected());
    let connections = stage.store.connections();
    stage.redis.restart().unwrap();
    assert!(stage.store.wait_connected(5 * SECOND).await);
    stage.submit("V", 1).await;
    assert_eq!(stage.fetch("w", 9).await.len(), 2);
    eventually(5 * SECOND, "it is counted", async || stage.store.connections() > connections).await;
}

#[tokio::test]
async fn what_failed_without_a_connection_does_not_happen_later() {
    let mut stage = durable().await;
    stage.submit("T", 1).await;
    let before = stage.exact();
    stage.redis.kill();
    let hasty = stage.store.with_patience(Duration::ZERO);
    eventually(5 * SECOND, "it noticed", async || !stage.store.is_connected()).await;
    for task in ["U", "V", "W"] {
        assert!(hasty.submit(&submission(task, 2), ADMISSION).await.is_err());
    }
    assert!(hasty.fetch(&name("w"), &Stream::of(&stage.queue), 9).await.is_err());
    stage.redis.restart().unwrap();
    assert!(stage.store.wait_connected(5 * SECOND).await);
    for _ in 0..20 {
        stage.store.now_ms().await.unwrap(); // whatever were queued would have been sent before these
    }
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn while_there_is_no_connection_a_command_fails_at_once() {
    let mut stage = stage().await;
    let hasty = stage.store.with_patience(Duration::ZERO);
    stage.redis.kill();
    eventually(5 * SECOND, "it noticed", async || !stage.store.is_connected()).await;
    let begun = Instant::now();
    for _ in 0..50 {
        assert!(matches!(hasty.now_ms().await, Err(StoreError::Unavailable(_))));
    }
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_was_sent_to_a_server_that_died_before_it_ran_does_not_happen_later() {
    let mut stage = durable().await;
    stage.submit("T", 1).await;
    stage.store.now_ms().await.unwrap();
    let before = stage.exact();
    stage.raw(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let hasty = stage.store.with_patience(Duration::ZERO);
    let submitting = tokio::spawn(async move { hasty.submit(&submission("U", 1), ADMISSION).await });
    let is_sent = async || stage.raw(&["CLIENT", "LIST"]).text().contains("cmd=evalsha");
    eventually(5 * SECOND, "the server has it", is_sent).await;
    stage.redis.kill();
    assert!(matches!(submitting.await.unwrap(), Err(StoreError::Unavailable(_))));
    stage.redis.restart().unwrap();
    assert!(stage.store.wait_connected(5 * SECOND).await);
    for _ in 0..20 {
        stage.store.now_ms().await.unwrap();
    }
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn a_read_that_leases_is_sent_once_and_a_cut_leaves_its_entries_alone() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let before = stage.exact();
    stage.raw(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let (store, streams) = (stage.store.clone(), Stream::of(&stage.queue));
    let reading = tokio::spawn(async move { store.fetch(&name("w"), &streams, 9).await });
    let is_sent = async || stage.raw(&["CLIENT", "LIST"]).text().contains("cmd=xreadgroup");
    eventually(5 * SECOND, "the server has it", is_sent).await;
    stage.raw(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    stage.raw(&["CLIENT", "UNPAUSE"]);
    let answer = reading.await.unwrap();
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(stage.store.wait_connected(5 * SECOND).await);
    stage.store.now_ms().await.unwrap();
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn a_patient_command_outlives_a_restart() {
    let mut stage = durable().await;
    stage.redis.kill();
    let store = stage.store.with_patience(20 * SECOND);
    let submitting = tokio::spawn(async move { store.submit(&submission("T", 2), ADMISSION).await });
    eventually(5 * SECOND, "it noticed", async || !stage.store.is_connected()).await;
    assert!(!submitting.is_finished());
    stage.redis.restart().unwrap();
    assert_eq!(submitting.await.unwrap().unwrap(), Submitted::Created);
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 2);
}

#[tokio::test]
async fn a_server_that_hangs_fails_a_command_in_time_and_answers_are_not_mixed_up_afterwards() {
    let stage = stage().await;
    let hasty = stage.store.with_patience(SECOND);
    hasty.now_ms().await.unwrap();
    stage.raw(&["CLIENT", "PAUSE", "4000", "ALL"]);
    let begun = Instant::now();
    let answer = hasty.submit(&submission("T", 1), ADMISSION).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
    let store = stage.store.with_patience(10 * SECOND);
    let (tasks, queues, time) = tokio::join!(store.tasks_count(), store.queues(), store.now_ms());
    let known = tasks.unwrap();
    assert!(known <= 1 && queues.unwrap().len() as u64 == known && time.unwrap() > 1_000_000_000_000);
    let again = store.submit(&submission("T", 1), ADMISSION).await.unwrap();
    assert_eq!(again, if known == 1 { Submitted::Existing(task_id("T")) } else { Submitted::Created });
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 1, "sent more than once, done once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_in_mid_flight_are_healed_and_nothing_is_doubled() {
    let stage = stage().await;
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..4 {
        let store = stage.store.with_patience(20 * SECOND);
        senders.spawn(async move {
            for task in 0..50 {
                let answer = store.submit(&submission(&format!("T{sender}.{task}"), 2), ADMISSION).await;
                assert!(matches!(answer, Ok(Submitted::Created | Submitted::Existing(_))), "{answer:?}");
            }
        });
    }
    let mut cuts = 0;
    let stranger = &mut stage.redis.connect().unwrap();
    while !senders.is_empty() {
        let killed = stranger.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
        cuts += killed.integer();
        while let Ok(Some(done)) = tokio::time::timeout(Duration::from_millis(30), senders.join_next()).await {
            done.unwrap();
        }
    }
    assert!(cuts > 0);
    let count = |key: &str| stranger_count(&stage, key);
    assert_eq!((count(MEDIUM), count("events")), (400, 200));
}

fn stranger_count(stage: &Stage, stream: &str) -> i64 {
    stage.redis.connect().expect("a connection").command(&["XLEN", stream]).expect("an answer").integer()
}

#[tokio::test]
async fn the_database_of_the_address_is_used_also_after_a_reconnect() {
    let stage = stage().await;
    let url = format!("redis://127.0.0.1:{}/3", stage.redis.port());
    let store = store_at(&url, 10 * SECOND);
    store.create_worker_groups(&stage.queue).await.unwrap();
    stage.raw(&["CLIENT", "KILL", "TYPE", "normal"]);
    let stranger = &mut stage.redis.connect().unwrap();
    store.submit(&submission("T", 2), ADMISSION).await.unwrap();
    store.connect_again().submit(&submission("U", 2), ADMISSION).await.unwrap();
    stranger.command(&["SELECT", "3"]).unwrap();
    assert_eq!(stranger.command(&["XLEN", MEDIUM]).unwrap().integer(), 4);
    stranger.command(&["SELECT", "0"]).unwrap();
    assert_eq!(stranger.command(&["EXISTS", "task:T", "task:U"]).unwrap().integer(), 0);
}
