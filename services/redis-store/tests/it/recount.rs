//! Recomputing a task from its records: the first half of a rebuild.

use crate::stage::{Stage, TTL, refuses_other_types, stage, task_id};
use crate::state::NOTHING;
use redis_store::StoreError;
use redis_store::recount::Recounted;

async fn recount(stage: &Stage) -> Result<Recounted, StoreError> {
    stage.store.recount(&task_id("T"), TTL).await
}

/// A task of three: one ended, one running, one never heard of.
async fn half_way() -> Stage {
    let stage = stage().await;
    stage.submit("T", 3).await;
    stage.fold(&["T 0 0 failed 2 1 w 2000000000020 timeout\nT 1 0 started 1 0 w 2000000000040"]).await;
    stage
}

#[tokio::test]
async fn whatever_someone_did_to_the_hash_and_the_indexes_follows_from_the_records_again() {
    let stage = half_way().await;
    let before = stage.story();
    let revision: u64 = stage.task("T", "revision").parse().unwrap();
    for (field, wrong) in [
        ("completed", "7"),
        ("failed", "0"),
        ("status", "completed"),
        ("updated_at", "1"),
        ("outcome_at", "9"),
        ("finished_at", "5"),
    ] {
        stage.raw(&["HSET", "task:T", field, wrong]);
    }
    stage.raw(&["ZREM", "tasks:processing", "T"]);
    stage.raw(&["ZADD", "tasks:failed", "1", "T"]);
    stage.raw(&["ZADD", "tasks:queued", "1", "T"]);
    assert_eq!(recount(&stage).await.unwrap(), Recounted::Recounted);
    assert_eq!(stage.task("T", "revision"), (revision + 1).to_string());
    stage.raw(&["HSET", "task:T", "revision", &revision.to_string()]);
    assert_eq!(stage.since(&before), NOTHING);
    assert_eq!(stage.raw(&["ZSCORE", "tasks:processing", "T"]).text(), stage.task("T", "created_at"));
}

#[tokio::test]
async fn a_task_whose_records_are_complete_is_ended_and_gets_its_life() {
    let stage = half_way().await;
    stage.raw(&["HSET", "outcomes:T", "1", "completed 1 0 2000000000050", "2", "cancelled 1 0 30"]);
    stage.raw(&["HDEL", "outcomes:T", "~1"]);
    for revision in [3, 4] {
        assert_eq!(recount(&stage).await.unwrap(), Recounted::Recounted);
        let fields =
            ["status", "completed", "failed", "cancelled", "finished_at", "outcome_at", "updated_at", "revision"];
        let shown = fields.map(|field| stage.task("T", field)).join(" ");
        assert_eq!(shown, format!("failed 1 1 1 2000000000050 2000000000050 2000000000050 {revision}"));
        let life = stage.raw(&["ZSCORE", "lifetimes", "T"]).integer();
        assert_eq!(life, 2_000_000_000_050 + TTL.as_millis() as i64);
        assert_eq!(stage.raw(&["ZCARD", "tasks:failed"]).integer(), 1);
        assert_eq!(stage.raw(&["ZCARD", "tasks:processing"]).integer(), 0);
    }
}

#[tokio::test]
async fn records_beyond_the_plan_of_other_generations_or_of_no_sense_do_not_count() {
    let stage = half_way().await;
    let odd = ["3", "completed 1 0 9999999999999", "1@1", "failed 1 0 9999999999999", "x", "y", "2", "exploded 1 0 5"];
    stage.raw(&[&["HSET", "outcomes:T"][..], &odd].concat());
    stage.raw(&["HSET", "outcomes:T", "~7", "0 1 0 9999999999999 started w", "~2", "nonsense"]);
    recount(&stage).await.unwrap();
    let fields = ["status", "completed", "failed", "cancelled", "updated_at"];
    assert_eq!(fields.map(|field| stage.task("T", field)).join(" "), "processing 0 1 0 2000000000040");
}

#[tokio::test]
async fn what_was_told_of_a_place_that_is_over_is_gone() {
    let stage = half_way().await;
    let told = ["~0", "0 2 1 2000000000030 crashed r", "~2", "0 1 0 2000000000030 started w", "g:2", "1"];
    stage.raw(&[&["HSET", "outcomes:T"][..], &told].concat());
    recount(&stage).await.unwrap();
    let left = ["~0", "~1", "~2"].map(|field| stage.raw(&["HGET", "outcomes:T", field]).text());
    assert_eq!(left, ["", "0 1 0 2000000000040 started w", ""]);
}

#[tokio::test]
async fn what_runs_again_is_under_way_although_nothing_is_known_of_the_time_before() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    stage.raw(&["HSET", "outcomes:T", "g:1", "1"]);
    recount(&stage).await.unwrap();
    let fields = ["status", "completed", "failed", "generations"];
    assert_eq!(fields.map(|field| stage.task("T", field)).join(" "), "processing 0 0 1");
}

#[tokio::test]
async fn a_task_that_nobody_started_is_queued_and_an_unknown_one_is_gone() {
    let stage = stage().await;
    assert_eq!(recount(&stage).await.unwrap(), Recounted::Gone);
    assert_eq!(stage.raw(&["EXISTS", "task:T", "outcomes:T"]).integer(), 0);
    stage.submit("T", 1).await;
    stage.fold(&["T 0 0 crashed 1 1 r 2000000000010"]).await;
    recount(&stage).await.unwrap();
    assert_eq!((stage.task("T", "status"), stage.task("T", "updated_at")), ("queued".into(), "2000000000010".into()));
}

#[tokio::test]
async fn a_hash_that_cannot_be_counted_is_an_error_and_stays_as_it_is() {
    let stage = stage().await;
    stage.submit("T", 3).await;
    for (field, wrong) in [("total", "many"), ("created_at", "yesterday")] {
        let right = stage.task("T", field);
        stage.raw(&["HSET", "task:T", field, wrong]);
        let before = stage.exact();
        assert!(matches!(recount(&stage).await, Err(StoreError::Refused(_))), "{field}");
        assert_eq!(stage.exact(), before);
        stage.raw(&["HSET", "task:T", field, &right]);
    }
    stage.raw(&["HSET", "task:T", "revision", "none"]);
    recount(&stage).await.unwrap();
    assert_eq!(stage.task("T", "revision"), "1");
}

#[tokio::test]
async fn without_memory_or_script_a_recount_runs_to_its_end() {
    let stage = half_way().await;
    stage.raw(&["HSET", "task:T", "status", "queued"]);
    stage.raw(&["SCRIPT", "FLUSH"]);
    stage.out_of_memory();
    assert_eq!(recount(&stage).await.unwrap(), Recounted::Recounted);
    assert_eq!(stage.task("T", "status"), "processing");
}

#[tokio::test]
async fn a_key_of_another_type_stops_a_recount_before_its_first_write() {
    let stage = half_way().await;
    let indexes = ["queued", "processing", "completed", "failed", "cancelled"].map(|word| format!("tasks:{word}"));
    let mut keys: Vec<&str> = indexes.iter().map(String::as_str).collect();
    keys.extend(["lifetimes", "task:T", "outcomes:T"]);
    refuses_other_types(&stage, &keys, async || recount(&stage).await.map(drop)).await;
}
