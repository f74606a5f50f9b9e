//! Scheduling the next attempt of what failed.

use crate::stage::{MEDIUM, Stage, TTL, medium, name, refuses_other_types, stage, task_id};
use crate::state::{NOTHING, packed, without_times};
use proto_schemas::Priority;
use redis_store::StoreError;
use redis_store::cancel::CancelOrder;
use redis_store::fetch::Fetched;
use redis_store::retry::{Retried, Retry};
use std::time::Duration;
use system_tests::redis::Reply;

fn order(entry_id: &str, task: &str) -> Retry {
    let (delay, reason) = (Duration::from_millis(1_500), "error".parse().expect("a reason"));
    Retry { stream: medium(), entry_id: entry_id.to_owned(), task_id: task_id(task), delay, reason }
}

fn orders(fetched: &[Fetched]) -> Vec<Retry> {
    fetched.iter().map(|one| order(&one.entry_id, "T")).collect()
}

async fn retry(stage: &Stage, batch: &[Retry]) -> Result<Vec<Retried>, StoreError> {
    stage.store.retry(&name("w"), batch).await
}

async fn running(count: usize) -> (Stage, Vec<Fetched>) {
    let stage = stage().await;
    stage.submit("T", count).await;
    let fetched = stage.fetch("w", count).await;
    (stage, fetched)
}

#[tokio::test]
async fn the_next_attempt_waits_for_its_time_and_remembers_the_one_before() {
    let (stage, fetched) = running(1).await;
    let before = stage.story();
    assert_eq!(retry(&stage, &orders(&fetched)).await.unwrap(), [Retried::Scheduled]);
    let entry = "v=1 task_id=T subtask_id=T-0 index=0 generation=0 kind=simulate description=step 0 priority=medium \
                 attempt=1 crashes=0 max_attempts=5 timeout_ms=600000 payload={}";
    let body = format!("{} history=1 0 retrying MS w error", entry.replace("attempt=1", "attempt=2"));
    assert_eq!(
        stage.since(&before),
        [
            format!("- subtasks:default:medium: ID [w] {entry}"),
            "+ delayed: T-0 at MS".to_owned(),
            format!("+ delayed:body: T-0={}", packed("default", &body)),
            "+ events: ID v=1 by=w facts=T 0 0 retrying 2 0 w MS error".to_owned(),
        ]
    );
    let told = stage.raw(&["XREVRANGE", "events", "+", "-", "COUNT", "1"]).items()[0].items()[0].text();
    let told: i64 = told.split('-').next().unwrap().parse().unwrap();
    assert!((0..5).contains(&(told + 1_500 - stage.raw(&["ZSCORE", "delayed", "T-0"]).integer())));
}

#[tokio::test]
async fn each_attempt_counts_one_more_and_a_crash_between_counts_apart() {
    let (stage, fetched) = running(1).await;
    retry(&stage, &orders(&fetched)).await.unwrap();
    for attempt in 2..=4 {
        stage.raw(&["ZADD", "delayed", "1", "T-0"]);
        assert_eq!(stage.store.promote(&name("r")).await.unwrap().moved, 1);
        let fetched = stage.fetch("w", 1).await;
        assert_eq!(fetched[0].entry.as_ref().unwrap().attempt, attempt);
        retry(&stage, &orders(&fetched)).await.unwrap();
    }
    stage.raw(&["ZADD", "delayed", "1", "T-0"]);
    stage.store.promote(&name("r")).await.unwrap();
    stage.fetch("w", 1).await;
    stage.store.reap(&name("r"), &stage.queue, Duration::ZERO, &mut Default::default()).await.unwrap();
    let entry = stage.fetch("w", 1).await.remove(0).entry.unwrap();
    assert_eq!((entry.attempt, entry.crashes, entry.generation), (5, 1, 0));
    let history = entry.history.unwrap();
    let told =
        ["1 0 retrying", "2 0 retrying", "3 0 retrying", "4 0 retrying"].map(|line| format!("{line} MS w error"));
    assert_eq!(without_times(&history), [&told[..], &["5 1 crashed MS r".to_owned()]].concat().join("\n"));
}

#[tokio::test]
async fn twice_or_a_strangers_entry_is_stale_and_writes_nothing() {
    let (stage, fetched) = running(2).await;
    let items = orders(&fetched);
    let twice = [&items[..], &items[..1]].concat();
    let (scheduled, stale) = (Retried::Scheduled, Retried::Stale);
    assert_eq!(retry(&stage, &twice).await.unwrap(), [scheduled, scheduled, stale]);
    let unread = stage.raw(&["XADD", MEDIUM, "*", "task_id", "T", "subtask_id", "T-0", "description", "d"]).text();
    let before = stage.exact();
    assert_eq!(retry(&stage, &items).await.unwrap(), [stale, stale]);
    assert_eq!(stage.store.retry(&name("v"), &items).await.unwrap(), [stale, stale]);
    assert_eq!(retry(&stage, &[order("1-1", "T"), order(&unread, "T")]).await.unwrap(), [stale, stale]);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn what_was_reaped_meanwhile_is_retried_by_nobody() {
    let (stage, fetched) = running(1).await;
    stage.store.reap(&name("r"), &stage.queue, Duration::ZERO, &mut Default::default()).await.unwrap();
    let before = stage.exact();
    assert_eq!(retry(&stage, &orders(&fetched)).await.unwrap(), [Retried::Stale]);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn what_had_ended_is_dropped_with_nothing_but_its_entry() {
    let (stage, fetched) = running(2).await;
    let cancel = CancelOrder { reason: None, task_ttl: TTL, only_past: false, if_revision: None };
    stage.store.cancel(&name("api"), &task_id("T"), &cancel).await.unwrap();
    let before = stage.story();
    assert_eq!(retry(&stage, &orders(&fetched)).await.unwrap(), [Retried::Dropped; 2]);
    let gone = stage.since(&before);
    assert!(
        gone.len() == 2 && gone.iter().all(|line| line.starts_with("- subtasks:default:medium: ID [w]")),
        "{gone:?}"
    );
}

#[tokio::test]
async fn what_nobody_can_read_or_a_newer_version_wrote_stays_pending() {
    let stage = stage().await;
    let garbage = stage.leave("w", &[b"task_id", b"T"]).await;
    let newer: [&[u8]; 8] = [b"v", b"2", b"task_id", b"T", b"subtask_id", b"T-0", b"description", b"d"];
    let newer = stage.leave("w", &newer).await;
    let before = stage.exact();
    assert_eq!(retry(&stage, &[order(&garbage, "T"), order(&newer, "T")]).await.unwrap(), [Retried::Stale; 2]);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn an_entry_keeps_the_urgency_of_its_stream_whatever_its_field_says() {
    let stage = stage().await;
    for (at, told) in ["", "low", "urgent"].iter().enumerate() {
        let id = format!("T-{at}");
        let mut command = vec!["XADD", "subtasks:default:high", "*", "task_id", "T", "subtask_id", &id];
        command.extend(["description", "\u{fc}\"\n\0"]);
        if !told.is_empty() {
            command.extend(["priority", told]);
        }
        stage.raw(&command);
    }
    stage.raw(&[
        &b"XADD"[..],
        b"subtasks:default:low",
        b"*",
        b"task_id",
        b"T",
        b"subtask_id",
        b"T-3",
        b"description",
        b"d",
        b"x\xff",
        b"\xc3\x28/\x7f",
    ]);
    let mut fetched = stage.fetch("w", 9).await;
    let bytes = stage.raw(&["XRANGE", "subtasks:default:low", "-", "+"]).items()[0].items()[1].items()[6..].to_vec();
    assert_eq!(fetched.len(), 4);
    for one in &fetched {
        let item = Retry { stream: one.stream.clone(), delay: Duration::ZERO, ..order(&one.entry_id, "T") };
        assert_eq!(retry(&stage, &[item]).await.unwrap(), [Retried::Scheduled]);
    }
    assert_eq!(stage.store.promote(&name("r")).await.unwrap().moved, 4);
    fetched = stage.fetch("w", 9).await;
    let high = fetched.iter().filter(|one| one.stream.priority == Priority::High).count();
    assert_eq!((fetched.len(), high), (4, 3));
    assert_eq!(fetched[0].entry.as_ref().unwrap().description, "\u{fc}\"\n\0");
    let again = stage.raw(&["XRANGE", "subtasks:default:low", "-", "+"]).items()[0].items()[1].items()[6..8].to_vec();
    assert_eq!(again, bytes, "unknown fields keep their bytes");
}

#[tokio::test]
async fn items_of_several_tasks_and_streams_are_told_apart() {
    let (stage, mut fetched) = running(2).await;
    let fields = ["task_id", "U", "subtask_id", "U-0", "description", "d"];
    stage.raw(&[&["XADD", "subtasks:default:low", "*"][..], &fields].concat());
    stage.raw(&["HSET", "outcomes:U", "0", "cancelled 0 0 5"]);
    fetched.splice(1..1, stage.fetch("w", 1).await);
    let tasks = ["T", "U", "T"];
    let items: Vec<Retry> = fetched
        .iter()
        .zip(tasks)
        .map(|(one, task)| Retry { stream: one.stream.clone(), ..order(&one.entry_id, task) })
        .collect();
    let (scheduled, dropped) = (Retried::Scheduled, Retried::Dropped);
    assert_eq!(retry(&stage, &items).await.unwrap(), [scheduled, dropped, scheduled]);
    assert_eq!(stage.facts()[1..], ["T 0 0 retrying 2 0 w error", "T 1 0 retrying 2 0 w error"]);
    assert_eq!(stage.raw(&["ZCARD", "delayed"]).integer(), 2);
}

#[tokio::test]
async fn without_memory_a_retry_runs_to_its_end() {
    let (stage, fetched) = running(1).await;
    stage.out_of_memory();
    assert_eq!(retry(&stage, &orders(&fetched)).await.unwrap(), [Retried::Scheduled]);
    assert_eq!((stage.raw(&["ZCARD", "delayed"]).integer(), stage.raw(&["HLEN", "delayed:body"]).integer()), (1, 1));
    assert_eq!(stage.facts()[1], "T 0 0 retrying 2 0 w error");
}

#[tokio::test]
async fn a_key_of_another_type_leaves_the_entry_pending() {
    let (stage, fetched) = running(2).await;
    let items = orders(&fetched);
    let keys = [MEDIUM, "events", "delayed", "delayed:body", "outcomes:T"];
    refuses_other_types(&stage, &keys, async || retry(&stage, &items).await.map(drop)).await;
    assert_eq!(stage.raw(&["ZCARD", "delayed"]).integer(), 2);
}

#[tokio::test]
async fn an_id_that_is_none_is_refused_before_the_first_retry() {
    let (stage, fetched) = running(1).await;
    let mut items = orders(&fetched);
    items.push(order("nonsense", "T"));
    let before = stage.exact();
    assert!(matches!(retry(&stage, &items).await, Err(StoreError::Refused(_))));
    assert_eq!(stage.exact(), before);
    items[1] = Retry { delay: Duration::MAX, ..items[0].clone() };
    items[0].entry_id = "1-1".to_owned();
    assert_eq!(retry(&stage, &items).await.unwrap(), [Retried::Stale, Retried::Scheduled], "for ever is a year");
    assert_eq!(retry(&stage, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_forgotten_script_or_group_schedules_nothing_twice() {
    let (stage, fetched) = running(1).await;
    stage.raw(&["SCRIPT", "FLUSH"]);
    assert_eq!(retry(&stage, &orders(&fetched)).await.unwrap(), [Retried::Scheduled]);
    stage.raw(&["XGROUP", "DESTROY", MEDIUM, "workers"]);
    let before = stage.story();
    assert_eq!(retry(&stage, &orders(&fetched)).await.unwrap(), [Retried::Stale]);
    assert_eq!(stage.since(&before), NOTHING);
    assert_eq!(stage.raw(&["XRANGE", MEDIUM, "-", "+"]), Reply::Array(Vec::new()));
}
