//! Giving entries back for later: for a worker that serves their kind.

use crate::stage::{MEDIUM, Stage, TTL, eventually, medium, name, refuses_other_types, stage, task_id};
use crate::state::packed;
use redis_store::StoreError;
use redis_store::cancel::CancelOrder;
use redis_store::hand_back::{HandedBack, Unfinished};
use std::time::Duration;

async fn park(stage: &Stage, ids: &[String]) -> Result<Vec<HandedBack>, StoreError> {
    let of_t = |id: &String| Unfinished { entry_id: id.clone(), task_id: Some(task_id("T")) };
    let entries: Vec<Unfinished> = ids.iter().map(of_t).collect();
    stage.store.park(&name("w"), &medium(), &entries, Duration::from_secs(1)).await
}

async fn running(count: usize) -> (Stage, Vec<String>) {
    let stage = stage().await;
    stage.submit("T", count).await;
    let ids = stage.fetch("w", count).await.into_iter().map(|one| one.entry_id).collect();
    (stage, ids)
}

/// Everything that waits comes back at once, and `w` takes it.
async fn again(stage: &Stage) -> Vec<String> {
    for member in stage.raw(&["ZRANGE", "delayed", "0", "-1"]).items() {
        stage.raw(&["ZADD", "delayed", "1", &member.text()]);
    }
    stage.store.promote(&name("r")).await.expect("an answer");
    stage.fetch("w", 99).await.into_iter().map(|one| one.entry_id).collect()
}

#[tokio::test]
async fn an_entry_waits_its_time_out_and_says_since_when() {
    let (stage, ids) = running(1).await;
    let before = stage.story();
    assert_eq!(park(&stage, &ids).await.unwrap(), [HandedBack::Parked]);
    let entry = "v=1 task_id=T subtask_id=T-0 index=0 generation=0 kind=simulate description=step 0 priority=medium \
                 attempt=1 crashes=0 max_attempts=5 timeout_ms=600000 payload={}";
    assert_eq!(
        stage.since(&before),
        [
            format!("- subtasks:default:medium: ID [w] {entry}"),
            "+ delayed: T-0 at MS".to_owned(),
            format!("+ delayed:body: T-0={}", packed("default", &format!("{entry} parked_at=MS"))),
            "+ events: ID v=1 by=w facts=T 0 0 parked 1 0 w MS".to_owned(),
        ]
    );
    let (now, due) = (stage.store.now_ms().await.unwrap(), stage.raw(&["ZSCORE", "delayed", "T-0"]).integer() as u64);
    assert!((now..=now + 1_000).contains(&due), "{now} {due}");
}

#[tokio::test]
async fn only_the_first_parking_is_told_and_its_time_is_kept() {
    let (stage, ids) = running(1).await;
    park(&stage, &ids).await.unwrap();
    let ids = again(&stage).await;
    let since = |stage: &Stage| stage.raw(&["XRANGE", MEDIUM, "-", "+"]).items()[0].items()[1].items()[27].text();
    let first = since(&stage);
    let waited = stage.store.now_ms().await.unwrap();
    eventually(Duration::from_secs(5), "a ms later", async || stage.store.now_ms().await.unwrap() > waited).await;
    park(&stage, &ids).await.unwrap();
    again(&stage).await;
    assert_eq!(since(&stage), first);
    assert_eq!(stage.facts()[1..], ["T 0 0 parked 1 0 w"]);
}

#[tokio::test]
async fn what_cannot_be_read_and_what_is_newer_comes_back_at_once() {
    let stage = stage().await;
    let newer: [&[u8]; 8] = [b"v", b"2", b"task_id", b"T", b"subtask_id", b"T-0", b"description", b"d"];
    let ids = [stage.leave("w", &[b"\xff\x00", b"x"]).await, stage.leave("w", &newer).await];
    assert_eq!(park(&stage, &ids).await.unwrap(), [HandedBack::Returned; 2]);
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.facts().len()), (2, 0));
}

#[tokio::test]
async fn twice_or_a_strangers_entry_is_stale_and_writes_nothing() {
    let (stage, ids) = running(1).await;
    let unread = stage.raw(&["XADD", MEDIUM, "*", "task_id", "T", "subtask_id", "T-9", "description", "d"]).text();
    let all = [&ids[..], &ids, &["1-1".to_owned(), unread]].concat();
    let (parked, stale) = (HandedBack::Parked, HandedBack::Stale);
    assert_eq!(park(&stage, &all).await.unwrap(), [parked, stale, stale, stale]);
    let before = stage.exact();
    assert_eq!(park(&stage, &all).await.unwrap(), [stale; 4]);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn what_is_left_of_an_earlier_generation_does_not_take_the_place_of_a_later_one() {
    let stage = stage().await;
    stage.raw(&["HSET", "outcomes:T", "g:0", "1"]); // its record was lost to a hand
    let fields: [&[u8]; 6] = [b"task_id", b"T", b"subtask_id", b"T-0", b"description", b"d"];
    let later = stage.leave("w", &[&fields[..], &[b"generation", b"1"]].concat()).await;
    let earlier = stage.leave("w", &fields).await;
    let (parked, stale) = (HandedBack::Parked, HandedBack::Stale);
    assert_eq!(park(&stage, &[later, earlier]).await.unwrap(), [parked, stale]);
    assert_eq!(stage.facts(), ["T 0 1 parked 1 0 w"]);
    again(&stage).await;
    let entry = &stage.raw(&["XRANGE", MEDIUM, "-", "+"]).items()[0].items()[1].clone();
    assert_eq!((entry.items()[6].text(), entry.items()[7].text()), ("generation".into(), "1".into()));
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 1);
}

#[tokio::test]
async fn a_later_generation_takes_the_place_of_what_is_left_of_an_earlier_one() {
    let stage = stage().await;
    let fields: [&[u8]; 6] = [b"task_id", b"T", b"subtask_id", b"T-0", b"description", b"d"];
    let earlier = stage.leave("w", &fields).await;
    let later = stage.leave("w", &[&fields[..], &[b"generation", b"1"]].concat()).await;
    assert_eq!(park(&stage, &[earlier, later]).await.unwrap(), [HandedBack::Parked; 2]);
    again(&stage).await;
    assert_eq!(stage.raw(&["XRANGE", MEDIUM, "-", "+"]).items()[0].items()[1].items()[7].text(), "1");
}

#[tokio::test]
async fn what_had_ended_before_is_dropped_and_takes_nothing_but_its_entry() {
    let (stage, ids) = running(2).await;
    let before = stage.story();
    stage.raw(&["HSET", "outcomes:T", "1", "cancelled 0 0 5"]);
    assert_eq!(park(&stage, &ids).await.unwrap(), [HandedBack::Parked, HandedBack::Dropped]);
    assert_eq!((stage.raw(&["ZCARD", "delayed"]).integer(), stage.raw(&["XLEN", MEDIUM]).integer()), (1, 0));
    let parked = |line: &&String| line.contains("facts=") && line.contains("parked");
    let facts: Vec<String> = stage.since(&before).iter().filter(parked).cloned().collect();
    assert!(facts.len() == 1 && facts[0].contains("facts=T 0 0 parked"), "{facts:?}");
}

#[tokio::test]
async fn what_was_cancelled_while_it_waits_is_gone_at_once() {
    let (stage, ids) = running(1).await;
    park(&stage, &ids).await.unwrap();
    let order = CancelOrder { reason: None, task_ttl: TTL, only_past: false, if_revision: None };
    stage.store.cancel(&name("api"), &task_id("T"), &order).await.unwrap();
    assert_eq!(again(&stage).await, Vec::<String>::new());
}

#[tokio::test]
async fn without_memory_a_parking_runs_to_its_end() {
    let (stage, ids) = running(1).await;
    stage.out_of_memory();
    assert_eq!(park(&stage, &ids).await.unwrap(), [HandedBack::Parked]);
    assert_eq!((stage.raw(&["ZCARD", "delayed"]).integer(), stage.raw(&["HLEN", "delayed:body"]).integer()), (1, 1));
}

#[tokio::test]
async fn a_key_of_another_type_leaves_the_entry_pending() {
    let (stage, ids) = running(1).await;
    let keys = [MEDIUM, "events", "bell:default", "delayed", "delayed:body", "outcomes:T"];
    refuses_other_types(&stage, &keys, async || park(&stage, &ids).await.map(drop)).await;
    assert_eq!(stage.raw(&["ZCARD", "delayed"]).integer(), 1);
}

#[tokio::test]
async fn a_forgotten_script_parks_nothing_twice() {
    let (stage, ids) = running(1).await;
    for answer in [HandedBack::Parked, HandedBack::Stale] {
        stage.raw(&["SCRIPT", "FLUSH"]);
        assert_eq!(park(&stage, &ids).await.unwrap(), [answer]);
    }
    assert_eq!(stage.facts().len(), 2);
}
