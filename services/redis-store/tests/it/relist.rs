//! Giving a task its place in `lifetimes` again.

use crate::stage::{Stage, TTL, refuses_other_types, stage, task_id};
use proto_schemas::limit;
use redis_store::StoreError;
use redis_store::relist::Relisted;

async fn relist(stage: &Stage) -> Result<Relisted, StoreError> {
    stage.store.relist(&task_id("T"), TTL).await
}

fn life(stage: &Stage) -> String {
    stage.raw(&["ZSCORE", "lifetimes", "T"]).text()
}

#[tokio::test]
async fn an_open_task_gets_its_deadline_back_and_keeps_it() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let before = stage.exact();
    assert_eq!(relist(&stage).await.unwrap(), Relisted::Kept);
    stage.raw(&["ZREM", "lifetimes", "T"]);
    assert_eq!(relist(&stage).await.unwrap(), Relisted::Relisted);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn an_open_task_that_keeps_no_deadline_gets_that_of_every_task() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.raw(&["HDEL", "task:T", "deadline_at"]);
    stage.raw(&["ZREM", "lifetimes", "T"]);
    relist(&stage).await.unwrap();
    let created_at: u64 = stage.task("T", "created_at").parse().unwrap();
    assert_eq!(life(&stage), (created_at + limit::TASK_DEADLINE_MS).to_string());
}

#[tokio::test]
async fn a_task_that_has_ended_gets_a_life_after_its_end() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.fold(&["T 0 0 completed 1 0 w 2000000000020"]).await;
    let before = life(&stage);
    stage.raw(&["ZREM", "lifetimes", "T"]);
    assert_eq!(relist(&stage).await.unwrap(), Relisted::Relisted);
    assert_eq!(life(&stage), before);
}

#[tokio::test]
async fn an_unknown_task_gets_none() {
    let stage = stage().await;
    assert_eq!(relist(&stage).await.unwrap(), Relisted::Gone);
    assert_eq!(stage.raw(&["EXISTS", "lifetimes"]).integer(), 0);
}

#[tokio::test]
async fn a_key_of_another_type_stops_it_before_its_first_write() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    refuses_other_types(&stage, &["task:T", "lifetimes"], async || relist(&stage).await.map(drop)).await;
}
