//! Giving entries back unfinished.

use crate::stage::{MEDIUM, Stage, medium, name, refuses_other_types, stage};
use redis_store::StoreError;
use redis_store::hand_back::{HandedBack, Unfinished};
use system_tests::redis::Reply;

async fn hand_back(stage: &Stage, ids: &[String]) -> Result<Vec<HandedBack>, StoreError> {
    let nobodys = |id: &String| Unfinished { entry_id: id.clone(), task_id: None };
    let entries: Vec<Unfinished> = ids.iter().map(nobodys).collect();
    stage.store.hand_back(&name("w"), &medium(), &entries).await
}

/// The entries of the stream, bytes and all.
fn entries(stage: &Stage) -> Vec<Reply> {
    stage.raw(&["XRANGE", MEDIUM, "-", "+"]).items().iter().map(|entry| entry.items()[1].clone()).collect()
}

#[tokio::test]
async fn an_entry_waits_again_as_it_was_under_a_larger_id_and_the_bell_rings() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.raw(&["DEL", "bell:default"]);
    let first = stage.fetch("w", 1).await.remove(0);
    let (before, fields) = (stage.story(), entries(&stage));
    assert_eq!(hand_back(&stage, std::slice::from_ref(&first.entry_id)).await.unwrap(), [HandedBack::Returned]);
    assert_eq!(entries(&stage), fields);
    let entry = "subtasks:default:medium: ID [w] v=1 task_id=T subtask_id=T-0 index=0 generation=0 kind=simulate \
                 description=step 0 priority=medium attempt=1 crashes=0 max_attempts=5 timeout_ms=600000 payload={}";
    assert_eq!(
        stage.since(&before),
        [
            format!("- {entry}"),
            "+ bell:default: 1 tokens".to_owned(),
            "+ events: ID v=1 by=w facts=T 0 0 returned 1 0 w MS".to_owned(),
            format!("+ {}", entry.replace("[w] ", "")),
        ]
    );
    let second = stage.fetch("v", 1).await.remove(0);
    assert!(second.entry_id > first.entry_id);
    assert_eq!(second.entry, first.entry, "no attempt and no crash counted");
}

#[tokio::test]
async fn what_cannot_be_read_and_what_is_newer_come_back_untouched_and_untold() {
    let stage = stage().await;
    let garbage: [&[u8]; 2] = [b"\xff\x00", b"\r\n"];
    let newer: [&[u8]; 8] = [b"v", b"2", b"task_id", b"T", b"subtask_id", b"T-0", b"description", b"d"];
    let ids = [stage.leave("w", &garbage).await, stage.leave("w", &newer).await];
    let fields = entries(&stage);
    assert_eq!(hand_back(&stage, &ids).await.unwrap(), [HandedBack::Returned; 2]);
    assert_eq!((entries(&stage), stage.facts().len()), (fields, 0));
    assert_eq!(stage.raw(&["LLEN", "bell:default"]).integer(), 2);
}

#[tokio::test]
async fn twice_or_a_strangers_entry_is_stale_and_writes_nothing() {
    let stage = stage().await;
    let entry_id = stage.leave("w", &[b"a", b"b"]).await;
    let ids = [entry_id.clone(), entry_id, "1-1".to_owned()];
    let (returned, stale) = (HandedBack::Returned, HandedBack::Stale);
    assert_eq!(hand_back(&stage, &ids).await.unwrap(), [returned, stale, stale]);
    let unread = stage.raw(&["XADD", MEDIUM, "*", "a", "b"]).text();
    let before = stage.exact();
    assert_eq!(hand_back(&stage, &[&ids[..], &[unread]].concat()).await.unwrap(), [HandedBack::Stale; 4]);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn an_entry_that_someone_deleted_is_stale_and_no_longer_pending() {
    let stage = stage().await;
    let before = stage.story();
    let entry_id = stage.leave("w", &[b"a", b"b"]).await;
    stage.raw(&["XDEL", MEDIUM, &entry_id]);
    assert_eq!(hand_back(&stage, &[entry_id]).await.unwrap(), [HandedBack::Stale]);
    assert_eq!(stage.story(), before);
}

#[tokio::test]
async fn an_entry_of_too_many_fields_stays_pending_for_a_reaper() {
    let stage = stage().await;
    let entry_id = stage.leave("w", &[&b"x"[..]; 10_000]).await;
    let before = stage.exact();
    assert_eq!(hand_back(&stage, &[entry_id]).await.unwrap(), [HandedBack::Stale]);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn without_memory_a_hand_back_runs_to_its_end() {
    let stage = stage().await;
    let ids = [stage.leave("w", &[b"a", b"b"]).await];
    stage.out_of_memory();
    assert_eq!(hand_back(&stage, &ids).await.unwrap(), [HandedBack::Returned]);
    assert_eq!(stage.fetch("v", 1).await.len(), 1);
    assert_eq!(stage.raw(&["LLEN", "bell:default"]).integer(), 1);
}

#[tokio::test]
async fn a_key_of_another_type_or_an_id_that_is_none_leaves_the_entry_pending() {
    let stage = stage().await;
    let ids = [stage.leave("w", &[b"a", b"b"]).await, "nonsense".to_owned()];
    let before = stage.exact();
    assert!(matches!(hand_back(&stage, &ids).await, Err(StoreError::Refused(_))));
    assert_eq!(stage.exact(), before);
    let keys = [MEDIUM, "events", "bell:default"];
    refuses_other_types(&stage, &keys, async || hand_back(&stage, &ids[..1]).await.map(drop)).await;
    assert_eq!(stage.fetch("v", 9).await.len(), 1);
}

#[tokio::test]
async fn a_forgotten_script_or_group_returns_nothing_twice() {
    let stage = stage().await;
    let ids = [stage.leave("w", &[b"a", b"b"]).await];
    stage.raw(&["SCRIPT", "FLUSH"]);
    assert_eq!(hand_back(&stage, &ids).await.unwrap(), [HandedBack::Returned]);
    stage.raw(&["XGROUP", "DESTROY", MEDIUM, "workers"]);
    assert_eq!(hand_back(&stage, &ids).await.unwrap(), [HandedBack::Stale]);
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 1);
}
