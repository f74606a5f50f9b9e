//! Giving subtasks without a token one again.

use crate::stage::{MEDIUM, Stage, depending, name, plan, refuses_other_types, stage, task_id};
use crate::state::NOTHING;
use proto_schemas::{QueueName, WorkEntry};
use redis_store::StoreError;
use redis_store::restore::{Restoration, Restored, pack_body};
use system_tests::redis::Reply;

async fn restore(stage: &Stage, revision: u64, wanted: &Restoration) -> Result<Restored, StoreError> {
    stage.store.restore(&name("operator"), &task_id("T"), revision, wanted).await
}

fn entry(index: u32, parents: &str) -> WorkEntry {
    depending(index as usize, parents).first_attempt(&task_id("T"), index).expect("an entry")
}

/// Four subtasks, the last waits for the first; the second and third have lost their entries.
async fn broken() -> Stage {
    let stage = stage().await;
    stage.accept(&plan("T", &["", "", "", "0:skip"])).await;
    for lost in stage.raw(&["XRANGE", MEDIUM, "-", "+"]).items().iter().skip(1) {
        stage.raw(&["XDEL", MEDIUM, &lost.items()[0].text()]);
    }
    stage.raw(&["DEL", "bell:default"]);
    stage
}

fn wanted() -> Restoration {
    let queue = QueueName::default_queue;
    Restoration {
        ready: vec![(queue(), entry(1, ""))],
        later: vec![(2_000_000_000_000, queue(), entry(2, ""))],
        plan_gone: vec!["w:3".to_owned(), "none".to_owned()],
        plan_set: vec![("b:3".to_owned(), pack_body(&queue(), &entry(3, "0:skip"))), ("x".to_owned(), "y".to_owned())],
    }
}

#[tokio::test]
async fn each_gets_its_place_and_a_worker_is_woken() {
    let stage = broken().await;
    let before = stage.story();
    assert_eq!(restore(&stage, 1, &wanted()).await.unwrap(), Restored::Restored);
    let changed = stage.since(&before);
    for line in [
        "+ bell:default: 1 tokens",
        "+ delayed: T-2 at MS",
        "+ delayed:body: T-2=",
        "+ events: ID v=1 by=operator facts=T 1 0 returned 1 0 operator MS",
        "+ subtasks:default:medium: ID v=1 task_id=T subtask_id=T-1 index=1",
    ] {
        assert!(changed.iter().any(|one| one.starts_with(line)), "{line}: {changed:#?}");
    }
    assert_eq!(changed.len(), 9, "and task and plan, before and after: {changed:#?}");
    assert_eq!(
        stage.raw(&["HMGET", "plan:T", "w:3", "x", "e:0"]).items().iter().map(Reply::text).collect::<Vec<_>>(),
        ["", "y", "3:skip"]
    );
    assert_eq!(stage.task("T", "revision"), "2");
    assert_eq!(stage.raw(&["ZSCORE", "delayed", "T-2"]).text(), "2000000000000");
}

#[tokio::test]
async fn what_was_delayed_is_promoted_as_any_other() {
    let stage = broken().await;
    let later = wanted().later.into_iter().map(|(_, queue, entry)| (5, queue, entry)).collect();
    restore(&stage, 1, &Restoration { later, ..Restoration::default() }).await.unwrap();
    let promoted = stage.store.promote(&name("w")).await.unwrap();
    assert_eq!((promoted.moved, promoted.malformed), (1, 0));
    assert_eq!(stage.running().await, [0, 2]);
}

#[tokio::test]
async fn sent_twice_at_another_revision_or_for_no_task_it_writes_nothing() {
    let stage = broken().await;
    restore(&stage, 1, &wanted()).await.unwrap();
    let before = stage.exact();
    for revision in [0, 1, 3] {
        assert_eq!(restore(&stage, revision, &wanted()).await.unwrap(), Restored::Moved);
    }
    assert_eq!(stage.exact(), before);
    stage.raw(&["DEL", "task:T"]);
    assert_eq!(restore(&stage, 2, &wanted()).await.unwrap(), Restored::Moved);
}

#[tokio::test]
async fn what_was_parked_after_the_look_is_not_doubled() {
    for member in ["T-1", "T-2"] {
        let stage = broken().await;
        stage.raw(&["ZADD", "delayed", "2000000000000", member]);
        let before = stage.exact();
        assert_eq!(restore(&stage, 1, &wanted()).await.unwrap(), Restored::Moved, "{member}");
        assert_eq!(stage.exact(), before);
    }
}

#[tokio::test]
async fn the_entry_of_another_task_is_refused() {
    let stage = broken().await;
    let other = WorkEntry { task_id: task_id("U"), ..entry(1, "") };
    let wanted = Restoration { ready: vec![(QueueName::default_queue(), other)], ..Restoration::default() };
    let before = stage.story();
    assert!(matches!(restore(&stage, 1, &wanted).await, Err(StoreError::Refused(_))));
    assert_eq!(stage.since(&before), NOTHING);
}

#[tokio::test]
async fn without_memory_all_of_it_is_refused() {
    let stage = broken().await;
    let before = stage.exact();
    stage.out_of_memory();
    assert!(matches!(restore(&stage, 1, &wanted()).await, Err(StoreError::OutOfMemory(_))));
    stage.enough_memory();
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn a_key_of_another_type_stops_it_before_its_first_write() {
    let stage = broken().await;
    let keys = ["task:T", "plan:T", "events", "delayed", "delayed:body", "bell:default", MEDIUM];
    refuses_other_types(&stage, &keys, async || restore(&stage, 1, &wanted()).await.map(drop)).await;
}
