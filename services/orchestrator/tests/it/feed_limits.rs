//! What a feed costs, and what it does at its limits.

use crate::follower::{Follower, connect, follow, ids, places, tell};
use crate::stage::{Stage, config, eventually, stage, stage_on};
use orchestrator::Config;
use orchestrator::feed::FeedSettings;
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TWO: &str = r#"{"description":"d","subtasks":[{"description":"a"},{"description":"b"}]}"#;

async fn stage_with(feed: FeedSettings) -> Stage {
    stage_on(PrivateRedis::start().expect("a redis"), Config { feed, ..config() }).await
}

#[tokio::test]
async fn a_silent_feed_shows_that_it_lives_and_how_far_it_is() {
    let stage = stage_with(FeedSettings { streams_max: 9, keep_alive: Duration::from_millis(50), life: None }).await;
    let id = stage.submit(TWO).await;
    let mut follower = follow(&stage, &id).await;
    follower.until("task.created").await;
    stage.submit(TWO).await;
    let tip = places(&stage, None).await.last().cloned();
    for _ in 0..100 {
        assert!(follower.read().await);
        if follower.last_id == tip {
            break;
        }
    }
    assert_eq!(follower.last_id, tip);
    assert!(follower.comments > 0);
    assert_eq!(follower.waiting(), None, "no message came with it");
}

#[tokio::test]
async fn one_stream_too_many_is_refused_until_another_is_closed() {
    let stage = stage_with(FeedSettings { streams_max: 2, keep_alive: Duration::from_secs(60), life: None }).await;
    let id = stage.submit(TWO).await;
    // By hand: the client of the others closes no connection before it hears something.
    let mut first = TcpStream::connect(stage.base.strip_prefix("http://").expect("http")).await.expect("it listens");
    first.write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    first.read_exact(&mut [0; 12]).await.expect("an answer");
    let _second = Follower::open(&stage.base, "/events", None).await;
    for path in [format!("/tasks/{id}/events"), "/events".to_owned()] {
        let refused = stage.get(&path).await;
        refused.problem(429, "too_many_streams");
        assert!(!refused.header("retry-after").is_empty());
    }
    drop(first);
    let is_free = || async { connect(&stage.base, "/events", None).await.status() == 200 };
    eventually(Duration::from_secs(5), is_free).await;
}

#[tokio::test]
async fn a_stream_ends_after_its_life_and_who_comes_back_misses_nothing() {
    let life = Some(Duration::from_millis(100));
    let stage = stage_with(FeedSettings { streams_max: 9, keep_alive: Duration::from_millis(50), life }).await;
    let id = stage.submit(TWO).await;
    let path = format!("/tasks/{id}/events");
    let mut told = Vec::new();
    let mut last = "0-0.0".to_owned();
    for number in 0..3 {
        let events = Follower::open(&stage.base, &path, Some(&last)).await.rest().await;
        last = ids(&events).pop().unwrap_or(last);
        told.extend(ids(&events));
        tell(&stage, &[format!("{id} 0 0 started 1 0 w {number}")]);
    }
    assert_eq!(told, places(&stage, Some(&id)).await[..3]);
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_at_once() {
    let stage = stage().await;
    let id = stage.submit(TWO).await;
    let mut one = follow(&stage, &id).await;
    let mut all = Follower::open(&stage.base, "/events", None).await;
    one.until("task.created").await;
    assert!(all.read().await);
    let started = Instant::now();
    stage.shutdown.cancel();
    assert_eq!((one.next().await, all.next().await), (None, None));
    stage.server.await.expect("stopped");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn who_only_listens_costs_redis_nothing() {
    let stage = stage().await;
    let tasks = [stage.submit(TWO).await, stage.submit(TWO).await];
    stage.fold().await;
    let mut followers = Vec::new();
    for number in 0..60 {
        followers.push(follow(&stage, &tasks[number % 2]).await);
    }
    for follower in &mut followers {
        follower.until("snapshot").await;
    }
    stage.redis.command(&["CONFIG", "RESETSTAT"]);
    for ms in 0..20 {
        tell(&stage, &tasks.each_ref().map(|id| format!("{id} 0 0 started 1 0 w {ms}")));
    }
    tell(&stage, &tasks.each_ref().map(|id| format!("{id} 0 0 parked 1 0 w 1")));
    for follower in &mut followers {
        assert_eq!(follower.until("subtask.parked").await.len(), 21);
    }
    let stats = stage.redis.command(&["INFO", "commandstats"]).text();
    let calls = |name: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.map_or(0, |line| line.split(',').next().and_then(|calls| calls.parse().ok()).expect("a number"))
    };
    let asked: u32 = ["hmget", "hgetall", "xrange"].into_iter().map(calls).sum();
    assert!((1..=30).contains(&calls("xread")), "one reads for all: {stats}");
    assert!(asked < 10, "nobody asks for themselves: {stats}");
}

#[tokio::test]
async fn a_reader_that_is_slow_misses_nothing_and_holds_up_nobody() {
    let stage = stage().await;
    let id = stage.submit(TWO).await;
    let mut slow = follow(&stage, &id).await;
    let mut quick = follow(&stage, &id).await;
    slow.until("task.created").await;
    for entry in 0..250 {
        let line = |line| {
            format!("{id} 0 0 started 1 0 a-worker-with-a-long-name-so-that-buffers-fill {}", 128 * entry + line)
        };
        tell(&stage, &(0..128).map(line).collect::<Vec<_>>());
    }
    tell(&stage, &[format!("{id} 1 0 parked 1 0 w 1")]);
    let quick = quick.until("subtask.parked").await;
    let slow = slow.until("subtask.parked").await;
    let told = places(&stage, Some(&id)).await;
    assert!(
        told.len() == 32_002 && ids(&quick)[1..] == told && ids(&slow) == told[1..],
        "all of it, once and in order"
    );
}
