//! TASK-16: Redis goes away and comes back while somebody listens.

use crate::follower::{Follower, connect, ids, places, tell};
use crate::stage::{config, eventually, stage_on};
use orchestrator::Config;
use orchestrator::feed::FeedSettings;
use std::time::Duration;
use system_tests::redis::PrivateRedis;

#[tokio::test]
async fn whoever_listens_through_an_outage_stays_and_is_told_everything_once() {
    let feed = FeedSettings { streams_max: 9, keep_alive: Duration::from_millis(200), life: None };
    let redis = PrivateRedis::start_aof_always().expect("a redis");
    let mut stage = stage_on(redis, Config { feed, ..config() }).await;
    let is_there = || async { stage.get("/ready").await.status == 200 };
    eventually(Duration::from_secs(10), is_there).await;
    let id = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"}]}"#).await;
    let mut one = Follower::open(&stage.base, &format!("/tasks/{id}/events"), None).await;
    let mut all = Follower::open(&stage.base, "/events", None).await;
    one.until("task.created").await;
    tell(&stage, &[format!("{id} 0 0 started 1 0 w 1")]);
    one.until("subtask.started").await;
    all.until("subtask.started").await;

    stage.redis.kill();
    let before = (one.comments, all.comments);
    while one.comments < before.0 + 3 || all.comments < before.1 + 3 {
        assert!(one.read().await && all.read().await, "they stay open without redis");
    }
    assert_eq!(connect(&stage.base, "/events?after=1-0.0", None).await.status(), 200, "the log is known up to here");
    assert_eq!(connect(&stage.base, &format!("/tasks/{id}/events"), None).await.status(), 503);
    stage.redis.restart().expect("the same port");
    tell(&stage, &[format!("{id} 0 0 retrying 1 0 w 1"), format!("{id} 0 0 parked 2 0 w 1")]);
    let told = [one.until("subtask.parked").await, all.until("subtask.parked").await];
    let places = places(&stage, Some(&id)).await;
    assert_eq!(told.map(|told| ids(&told)), [places[2..].to_vec(), places[2..].to_vec()]);
}

#[tokio::test]
async fn whoever_listens_while_all_is_lost_is_told_so() {
    let mut stage = stage_on(PrivateRedis::start().expect("a redis"), config()).await;
    let is_there = || async { stage.get("/ready").await.status == 200 };
    eventually(Duration::from_secs(10), is_there).await;
    let id = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"}]}"#).await;
    let mut all = Follower::open(&stage.base, "/events", None).await;
    tell(&stage, &[format!("{id} 0 0 started 1 0 w 1")]);
    all.until("subtask.started").await;
    stage.redis.kill();
    stage.redis.restart().expect("the same port, and nothing in it");
    let reset = all.until("reset").await;
    assert_eq!(reset.last().map(|it| it.data["oldest"].is_null()), Some(true));
    tell(&stage, &[format!("{id} 0 0 parked 1 0 w 1")]);
    all.until("subtask.parked").await;
}

#[tokio::test]
async fn who_comes_before_redis_is_told_to_come_again() {
    let mut redis = PrivateRedis::start().expect("a redis");
    redis.kill();
    let mut stage = stage_on(redis, config()).await;
    let refused = stage.get("/events").await;
    refused.problem(503, "redis_unavailable");
    stage.redis.restart().expect("the same port");
    let is_open = || async { connect(&stage.base, "/events", None).await.status() == 200 };
    eventually(Duration::from_secs(10), is_open).await;
}
