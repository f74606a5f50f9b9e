//! The ends of lives.

use crate::stage::{SOON, Stage, config, eventually, stage};
use projector::Config;
use proto_schemas::{FactKind, TaskStatus};
use std::time::Duration;

async fn until_gone(stage: &Stage, task: &str) {
    eventually(SOON, &format!("{task} is gone"), async || {
        (stage.command(&format!("EXISTS task:{task}")).integer() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_task_past_its_life_vanishes_with_outcomes_and_index_entries() {
    let stage = stage().await;
    stage.submit("keep", 1).await;
    stage.submit("T", 2).await;
    let kept = stage.fetch("w", 1).await;
    assert_eq!(kept.len(), 1);
    let fetched = stage.fetch("w", 2).await;
    stage.settle("w", &fetched, FactKind::Failed).await;
    let _running = stage.start(Config { task_ttl: Duration::from_millis(300), ..config("p") });
    until_gone(&stage, "T").await;
    assert_eq!(stage.command("EXISTS outcomes:T plan:T").integer(), 0);
    for index in ["tasks", "lifetimes", "tasks:queued", "tasks:processing", "tasks:failed", "tasks:completed"] {
        assert_eq!(stage.command(&format!("ZSCORE {index} T")).text(), "", "{index}");
    }
    assert_eq!(stage.task("keep").await.status, TaskStatus::Queued);
}

#[tokio::test]
async fn tasks_that_are_past_their_deadline_and_open_stay_and_hold_up_no_other() {
    let stage = stage().await;
    for no in 0..150 {
        stage.submit(&format!("open{no}"), 1).await;
        stage.command(&format!("ZADD lifetimes {no} open{no}"));
    }
    stage.command("SET task:broken nonsense");
    stage.command("ZADD lifetimes 1 broken");
    stage.submit("T", 1).await;
    stage.command("HSET task:T status completed");
    stage.command("ZADD lifetimes 1000 T");
    let _running = stage.start(config("p"));
    until_gone(&stage, "T").await;
    assert_eq!(stage.command("ZCARD lifetimes").integer(), 151);
    assert_eq!(stage.task("open0").await.status, TaskStatus::Queued);
    // The walk starts again from the oldest.
    stage.command("HSET task:open3 status completed");
    until_gone(&stage, "open3").await;
}
