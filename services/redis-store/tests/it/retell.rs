//! Telling the log again how a subtask ended.

use crate::stage::{Stage, TTL, name, plan, refuses_other_types, stage, task_id};
use crate::state::NOTHING;
use redis_store::StoreError;
use redis_store::cancel::CancelOrder;
use redis_store::retell::Retold;

async fn retell(stage: &Stage, revision: u64, index: u32) -> Result<Retold, StoreError> {
    stage.store.retell(&name("operator"), &task_id("T"), revision, index).await
}

/// Two subtasks, the second waits for the first, which has failed and did not tell it: revision 2.
async fn untold() -> Stage {
    let stage = stage().await;
    stage.accept(&plan("T", &["", "0:skip"])).await;
    stage.raw(&["RENAME", "plan:T", "aside"]);
    stage.fold(&["T 0 0 failed 2 1 w 2000000000020 timeout"]).await;
    stage.raw(&["RENAME", "aside", "plan:T"]);
    assert_eq!((stage.head("T"), stage.task("T", "revision")), ("processing 0 1 0".into(), "2".into()));
    stage
}

#[tokio::test]
async fn the_record_is_a_fact_again_and_folding_it_tells_the_dependants() {
    let stage = untold().await;
    assert_eq!(retell(&stage, 2, 0).await.unwrap(), Retold::Retold);
    assert_eq!((stage.head("T"), stage.task("T", "revision")), ("processing 0 1 0".into(), "3".into()));
    assert_eq!(stage.raw(&["HGET", "outcomes:T", "0"]).text(), "failed 2 1 2000000000020 timeout");
    assert_eq!(stage.facts().pop().as_deref(), Some("T 0 0 failed 2 1 operator timeout"));
    stage.fold(&[]).await;
    assert_eq!(stage.head("T"), "failed 0 1 1");
    assert_eq!(stage.raw(&["HGET", "outcomes:T", "0"]).text(), "failed 2 1 2000000000020 timeout");
}

#[tokio::test]
async fn what_had_completed_stays_so_when_the_task_is_cancelled_before_the_fold() {
    let stage = stage().await;
    stage.accept(&plan("T", &["", "0:skip"])).await;
    stage.raw(&["RENAME", "plan:T", "aside"]);
    stage.fold(&["T 0 0 completed 1 0 w 2000000000020"]).await;
    stage.raw(&["RENAME", "aside", "plan:T"]);
    assert_eq!(retell(&stage, 2, 0).await.unwrap(), Retold::Retold);
    let order = CancelOrder { reason: None, task_ttl: TTL, only_past: false, if_revision: None };
    stage.store.cancel(&name("api"), &task_id("T"), &order).await.unwrap();
    stage.fold(&[]).await;
    assert_eq!(stage.head("T"), "cancelled 1 0 1");
}

#[tokio::test]
async fn sent_twice_or_at_another_revision_it_writes_nothing() {
    let stage = untold().await;
    retell(&stage, 2, 0).await.unwrap();
    let before = stage.exact();
    for (revision, index) in [(2, 0), (4, 0), (3, 1), (3, 9)] {
        assert_eq!(retell(&stage, revision, index).await.unwrap(), Retold::Moved, "{revision} {index}");
    }
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn the_record_of_the_current_generation_is_told_and_no_other() {
    let stage = untold().await;
    stage.raw(&["HSET", "task:T", "generations", "1"]);
    stage.raw(&["HSET", "outcomes:T", "g:0", "1", "0@1", "completed 1 0 2000000000030"]);
    assert_eq!(retell(&stage, 2, 0).await.unwrap(), Retold::Retold);
    assert_eq!(stage.facts().pop().as_deref(), Some("T 0 1 completed 1 0 operator"));
    assert_eq!(stage.raw(&["HGET", "outcomes:T", "0"]).text(), "failed 2 1 2000000000020 timeout");
}

#[tokio::test]
async fn a_task_that_has_ended_or_is_none_has_nothing_to_tell() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.fold(&["T 0 0 completed 1 0 w 2000000000020"]).await;
    let before = stage.story();
    assert_eq!(retell(&stage, 2, 0).await.unwrap(), Retold::Moved);
    let other = stage.store.retell(&name("operator"), &task_id("none"), 0, 0).await.unwrap();
    assert_eq!(other, Retold::Moved);
    assert_eq!(stage.since(&before), NOTHING);
}

#[tokio::test]
async fn without_memory_it_is_refused_and_a_key_of_another_type_stops_it_before_its_first_write() {
    let stage = untold().await;
    let keys = ["task:T", "outcomes:T", "events"];
    refuses_other_types(&stage, &keys, async || retell(&stage, 2, 0).await.map(drop)).await;
    let other = untold().await;
    let before = other.exact();
    other.out_of_memory();
    assert!(matches!(retell(&other, 2, 0).await, Err(StoreError::OutOfMemory(_))));
    other.enough_memory();
    assert_eq!(other.exact(), before);
}
