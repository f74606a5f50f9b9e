//! Removing from `delayed` what is nobody's token.

use crate::stage::{Stage, name, refuses_other_types, stage, task_id};
use crate::state::NOTHING;
use redis_store::StoreError;
use redis_store::undelay::Undelayed;

async fn undelay(stage: &Stage, member: &str) -> Result<Undelayed, StoreError> {
    stage.store.undelay(&name("operator"), member, Some(&task_id("T"))).await
}

/// A task of two whose first has ended; a member of `delayed` with this body, if any.
async fn delayed(member: &str, body: Option<&str>) -> Stage {
    let stage = stage().await;
    stage.submit("T", 2).await;
    stage.fold(&["T 0 0 completed 1 0 w 2000000000020"]).await;
    stage.raw(&["ZADD", "delayed", "5", member]);
    if let Some(body) = body {
        stage.raw(&["HSET", "delayed:body", member, body]);
    }
    stage
}

fn body(task: &str, index: u32, version: &str) -> String {
    format!(r#"["default","v","{version}","task_id","{task}","subtask_id","{task}-{index}","description","d"]"#)
}

#[tokio::test]
async fn a_member_without_a_body_goes() {
    let stage = delayed("T-1", None).await;
    assert_eq!(undelay(&stage, "T-1").await.unwrap(), Undelayed::Removed);
    assert_eq!(stage.raw(&["EXISTS", "delayed", "delayed:body", "dead-letters"]).integer(), 0);
    assert_eq!(undelay(&stage, "T-1").await.unwrap(), Undelayed::Gone);
}

#[tokio::test]
async fn a_body_that_is_no_entry_becomes_a_dead_letter() {
    let stage = delayed("T-1", Some("nonsense")).await;
    let before = stage.story();
    assert_eq!(undelay(&stage, "T-1").await.unwrap(), Undelayed::Removed);
    let letter = "+ dead-letters: ID reason=malformed error= worker=operator source=delayed T-1 body=nonsense";
    assert!(stage.since(&before).iter().any(|line| line == letter), "{:#?}", stage.since(&before));
    assert_eq!(stage.raw(&["EXISTS", "delayed", "delayed:body"]).integer(), 0);
}

#[tokio::test]
async fn a_member_of_what_has_ended_goes() {
    let stage = delayed("T-0", Some(&body("T", 0, "1"))).await;
    assert_eq!(undelay(&stage, "T-0").await.unwrap(), Undelayed::Removed);
    assert_eq!(stage.raw(&["EXISTS", "delayed", "delayed:body", "dead-letters"]).integer(), 0);
}

#[tokio::test]
async fn a_token_of_this_or_another_task_and_what_is_newer_is_kept() {
    for (task, index, version) in [("T", 1, "1"), ("U", 0, "1"), ("T", 0, "2")] {
        let stage = delayed("m", Some(&body(task, index, version))).await;
        let before = stage.story();
        assert_eq!(undelay(&stage, "m").await.unwrap(), Undelayed::Kept, "{task} {index} {version}");
        assert_eq!(stage.since(&before), NOTHING);
    }
}

#[tokio::test]
async fn without_memory_it_runs_to_its_end_and_a_key_of_another_type_stops_it_before_its_first_write() {
    let stage = delayed("T-0", Some(&body("T", 0, "1"))).await;
    let keys = ["delayed", "delayed:body", "dead-letters", "meta", "outcomes:T"];
    refuses_other_types(&stage, &keys, async || undelay(&stage, "T-0").await.map(drop)).await;
    let stage = delayed("T-1", Some("nonsense")).await;
    stage.out_of_memory();
    assert_eq!(undelay(&stage, "T-1").await.unwrap(), Undelayed::Removed);
    stage.enough_memory();
    assert_eq!(stage.raw(&["XLEN", "dead-letters"]).integer(), 1);
}
