//! What a scrape is told is what lies there.

use crate::stage::{name, stage, store_at, submission};
use proto_schemas::{Priority, QueueName, TaskStatus};
use redis_store::Stream;
use redis_store::gauges::{Gauges, StreamGauges};
use redis_store::heartbeat::Heartbeat;
use std::time::Duration;

fn stream<'a>(gauges: &'a Gauges, key: &str) -> &'a StreamGauges {
    gauges.streams.iter().find(|stream| stream.key == key).expect("a stream")
}

fn tasks(gauges: &Gauges, status: TaskStatus) -> Option<u64> {
    gauges.tasks.iter().find(|(of, _)| *of == status).expect("a status").1
}

fn beat(at_ms: u64, running: usize) -> Heartbeat {
    let text = |text: &str| text.to_owned();
    Heartbeat {
        worker_id: text("w"),
        host: text("h"),
        pid: 1,
        kinds: text("do"),
        slots: 10,
        running,
        is_draining: false,
        at_ms,
    }
}

#[tokio::test]
async fn everything_is_counted_where_it_lies() {
    let stage = stage().await;
    stage.store.submit(&submission("T", 5), crate::stage::ADMISSION).await.expect("an answer");
    let fetched = stage.store.fetch(&name("w"), &Stream::of(&stage.queue), 2).await.expect("entries");
    assert_eq!(fetched.len(), 2);
    let now_ms = stage.store.now_ms().await.expect("a time");
    stage.store.beat(&name("w"), &beat(now_ms - 5_000, 2)).await.expect("a beat");
    stage.store.beat(&name("v"), &beat(now_ms, 1)).await.expect("a beat");
    stage.store.beat(&name("dead"), &beat(now_ms - 61_000, 9)).await.expect("a beat");
    let leaving = Heartbeat { is_draining: true, ..beat(now_ms, 4) };
    stage.store.beat(&name("leaving"), &leaving).await.expect("a beat");
    stage.redis.command(&["ZADD", "delayed", "1", "a", "2", "b"]);
    stage.redis.command(&["XADD", "dead-letters", "*", "reason", "x"]);
    stage.redis.command(&["HSET", "meta", "dead_letters_trimmed", "7"]);

    let gauges = stage.store.gauges().await.expect("gauges");
    assert_eq!((tasks(&gauges, TaskStatus::Queued), tasks(&gauges, TaskStatus::Failed)), (Some(1), Some(0)));
    let medium = stream(&gauges, "subtasks:default:medium");
    assert_eq!((medium.entries, medium.backlog(), medium.groups.len()), (5, 3, 1));
    assert_eq!(medium.work.as_ref().map(|work| work.priority), Some(Priority::Medium));
    let workers = &medium.groups[0];
    assert_eq!((workers.name.as_str(), workers.pending, workers.lag), ("workers", 2, Some(3)));
    assert!(workers.oldest_pending.is_some_and(|age| age < Duration::from_secs(60)), "{workers:?}");
    let low = stream(&gauges, "subtasks:default:low");
    assert_eq!((low.groups[0].oldest_pending, low.oldest_waiting), (None, None));
    assert!(medium.oldest_waiting.is_some_and(|age| age < Duration::from_secs(60)), "{medium:?}");
    stage.raw(&["SADD", "queues", "unread"]);
    stage.raw(&["XADD", "subtasks:unread:low", "1-0", "x", "y"]);
    let gauges = stage.store.gauges().await.expect("gauges");
    let unread = stream(&gauges, "subtasks:unread:low").oldest_waiting.expect("an age, also without a group");
    assert!(unread > Duration::from_secs(1_000_000_000), "since 1970: {unread:?}");
    assert_eq!((gauges.delayed, gauges.dead_letters, gauges.dead_letters_trimmed), (Some(2), Some(1), 7));
    assert_eq!((gauges.workers.alive, gauges.workers.draining, gauges.workers.silent), (2, 1, 1));
    assert_eq!((gauges.workers.slots, gauges.workers.running), (24, 7));
    let oldest = gauges.workers.oldest_beat.expect("a beat");
    assert!(oldest >= Duration::from_secs(5) && oldest < Duration::from_secs(35), "{oldest:?}");
    assert_eq!((stream(&gauges, "events").entries, gauges.unfolded_facts), (1, Some(1)));
    assert!(gauges.events_bytes > Some(0) && gauges.used_memory > Some(0) && gauges.maxmemory.is_none());
}

#[tokio::test]
async fn the_projectors_lag_as_long_as_a_fact_is_not_folded_read_or_not() {
    let stage = stage().await;
    let lag = async || stage.store.gauges().await.expect("gauges").projector_lag.expect("a log");
    assert_eq!(lag().await, Duration::ZERO);
    let now_ms = stage.store.now_ms().await.expect("a time");
    for age_ms in [40_000, 20_000] {
        let id = format!("{}-0", now_ms - age_ms);
        stage.redis.command(&["XADD", "events", &id, "v", "1", "by", "x", "facts", "T - 0 created 1 0 api 1"]);
    }
    let seconds = |lag: Duration| lag.as_secs() / 10; // tens of them
    assert_eq!(seconds(lag().await), 4);
    let mut entries = stage.store.read_events(&name("p"), 1, Duration::ZERO).await.expect("one");
    assert_eq!(seconds(lag().await), 4, "it was read and not folded");
    stage.store.fold(&name("p"), crate::stage::TTL, &entries).await.expect("folded");
    assert_eq!(seconds(lag().await), 2);
    entries = stage.store.read_events(&name("p"), 1, Duration::ZERO).await.expect("the other");
    stage.store.fold(&name("p"), crate::stage::TTL, &entries).await.expect("folded");
    for number in 0..20 {
        stage.redis.command(&["XGROUP", "CREATE", "events", &format!("a{number}"), "0"]);
    }
    assert_eq!(lag().await, Duration::ZERO, "many other groups have read nothing");
    stage.redis.command(&["XGROUP", "DESTROY", "events", "projector"]);
    assert_eq!(seconds(lag().await), 4, "without a group, nobody has read anything");
}

#[tokio::test]
async fn a_key_of_another_type_takes_nothing_but_its_own_number() {
    let stage = stage().await;
    for key in ["tasks:failed", "subtasks:default:high", "delayed"] {
        stage.redis.command(&["SET", key, "x"]);
    }
    let gauges = stage.store.gauges().await.expect("gauges");
    assert_eq!((tasks(&gauges, TaskStatus::Failed), tasks(&gauges, TaskStatus::Queued)), (None, Some(0)));
    assert!(gauges.streams.iter().all(|stream| stream.key != "subtasks:default:high"));
    assert_eq!((gauges.streams.len(), gauges.delayed, gauges.dead_letters), (4, None, Some(0)));
    let wrong = stage.store.error_counts().into_iter().find(|(class, _)| *class == "wrong_type");
    assert!(wrong.is_some_and(|(_, count)| count >= 3), "{wrong:?}");
}

#[tokio::test]
async fn an_empty_redis_has_nothing_and_knows_so() {
    let redis = system_tests::redis::PrivateRedis::start().expect("a redis of our own");
    let store = store_at(&redis.url(), Duration::from_secs(1));
    assert!(store.wait_connected(Duration::from_secs(5)).await);
    let gauges = store.gauges().await.expect("gauges");
    assert_eq!((gauges.unfolded_facts, gauges.delayed), (Some(0), Some(0)));
    assert_eq!(gauges.projector_lag, Some(Duration::ZERO), "there is nothing to fold");
    assert_eq!((gauges.streams.len(), gauges.workers.alive), (5, 0));
    assert_eq!(store.error_counts().map(|(_, count)| count), [0; 5], "nothing of that is an error");
}

#[tokio::test]
async fn no_more_than_64_queues_are_looked_at() {
    let stage = stage().await;
    for number in 0..100 {
        stage.redis.command(&["SADD", "queues", &format!("q{number:03}")]);
    }
    let gauges = stage.store.gauges().await.expect("gauges");
    let work = gauges.streams.iter().filter_map(|stream| stream.work.as_ref());
    assert_eq!((work.count(), gauges.streams.len()), (64 * 4, 64 * 4 + 1));
    assert!(
        gauges
            .streams
            .iter()
            .any(|stream| stream.work.as_ref().is_some_and(|it| it.queue == QueueName::default_queue()))
    );
}
