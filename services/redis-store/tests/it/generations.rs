//! Generations: only the facts and records of the current one count, whatever comes late, twice or from nowhere.

use crate::fold::{counts, outcomes};
use crate::stage::{Stage, TTL, stage, task_id};
use crate::state::{NOTHING, difference};
use redis_store::recount::Recounted;

/// A task of two whose first subtask failed and runs again as generation 1.
async fn second_life() -> Stage {
    let stage = stage().await;
    stage.submit("T", 2).await;
    stage.fold(&["T 0 0 failed 1 0 w 5"]).await;
    stage.raw(&["HSET", "outcomes:T", "g:0", "1"]);
    stage.raw(&["HSET", "task:T", "generations", "1", "failed", "0"]);
    stage.fold(&["T 0 1 requeued 1 0 api 6"]).await;
    stage
}

/// What changed but the log itself.
fn changed(stage: &Stage, before: &[String]) -> Vec<String> {
    difference(before, &stage.exact()).into_iter().filter(|line| !line[2..].starts_with("events: ")).collect()
}

#[tokio::test]
async fn late_facts_of_an_older_generation_change_nothing() {
    let stage = second_life().await;
    let before = stage.exact();
    for (line, answer) in [
        ("T 0 0 completed 9 0 w 5", counts(0, 0, 1, 0)),
        ("T 0 0 cancelled 0 0 w 5", counts(0, 0, 1, 0)),
        ("T 0 0 started 9 0 w 5", counts(0, 0, 1, 0)),
        ("T 0 0 retrying 9 9 w 5", counts(0, 0, 1, 0)),
    ] {
        assert_eq!(stage.fold(&[line]).await, answer, "{line}");
        assert_eq!(changed(&stage, &before), NOTHING, "{line}");
    }
}

#[tokio::test]
async fn an_older_generation_tells_no_progress_even_where_a_hand_removed_its_record() {
    let stage = second_life().await;
    stage.raw(&["HDEL", "outcomes:T", "0"]);
    let before = stage.exact();
    assert_eq!(stage.fold(&["T 0 0 started 1 0 w 5"]).await, counts(0, 0, 1, 0));
    assert_eq!(changed(&stage, &before), NOTHING);
}

#[tokio::test]
async fn facts_of_a_generation_that_was_never_opened_are_ignored() {
    let stage = second_life().await;
    let before = stage.exact();
    let lines = ["T 0 2 completed 1 0 w 9", "T 1 1 started 1 0 w 9", "T 1 1 requeued 1 0 w 9"];
    assert_eq!(stage.fold(&lines).await, counts(0, 0, 0, 3));
    assert_eq!(changed(&stage, &before), NOTHING);
}

#[tokio::test]
async fn the_outcome_of_the_current_generation_counts_once_beside_the_older_record() {
    let stage = second_life().await;
    assert_eq!(stage.fold(&["T 0 1 started 1 0 w 7"]).await, counts(0, 1, 0, 0));
    assert_eq!(stage.fold(&["T 0 1 completed 1 0 w 8", "T 0 1 failed 1 0 w 9"]).await, counts(1, 0, 1, 0));
    assert_eq!(outcomes(&stage), ["0=failed 1 0 5", "0@1=completed 1 0 8", "g:0=1"]);
    assert_eq!(stage.head("T"), "processing 1 0 0");
    stage.fold(&["T 1 0 completed 1 0 w 9"]).await;
    assert_eq!((stage.head("T"), stage.task("T", "finished_at")), ("completed 2 0 0".into(), "9".into()));
}

#[tokio::test]
async fn a_cancelled_range_of_a_later_generation_counts_each_of_it() {
    let stage = stage().await;
    stage.submit("T", 5).await;
    let cancelled = "T 1-3 1 cancelled 0 0 api 7 deadline";
    stage.raw(&["HSET", "task:T", "generations", "1"]);
    stage.raw(&["HSET", "outcomes:T", "g:1", "1", "g:3", "1"]);
    assert_eq!(stage.fold(&[cancelled]).await, counts(2, 0, 0, 1), "the second has no such generation");
    assert_eq!(outcomes(&stage), ["1@1=cancelled 0 0 7 deadline", "3@1=cancelled 0 0 7 deadline", "g:1=1", "g:3=1"]);
    assert_eq!(stage.fold(&[cancelled]).await, counts(0, 0, 2, 1));
    assert_eq!(stage.fold(&["T 3-9 0 cancelled 0 0 api 7"]).await, counts(1, 0, 1, 5), "five are beyond the plan");
}

#[tokio::test]
async fn a_range_of_a_thousand_is_folded_in_one_call() {
    let stage = stage().await;
    stage.submit("T", 1_000).await;
    assert_eq!(stage.fold(&["T 0-999 0 cancelled 0 0 api 7"]).await, counts(1_000, 0, 0, 0));
    assert_eq!(stage.head("T"), "cancelled 0 0 1000");
}

#[tokio::test]
async fn a_recount_counts_the_records_of_the_current_generations_alone() {
    let stage = second_life().await;
    stage.fold(&["T 1 0 completed 1 0 w 7"]).await;
    let head = |stage: &Stage| {
        ["status", "completed", "failed", "cancelled", "updated_at", "outcome_at", "finished_at", "generations"]
            .map(|field| stage.task("T", field))
            .join(" ")
    };
    let before = head(&stage);
    for (field, wrong) in [("failed", "1"), ("status", "failed"), ("completed", "0"), ("finished_at", "7")] {
        stage.raw(&["HSET", "task:T", field, wrong]);
    }
    stage.raw(&["HDEL", "task:T", "generations"]);
    stage.raw(&["HSET", "outcomes:T", "0@2", "completed 1 0 99", "00", "failed 1 0 99", "1@0", "failed 1 0 99"]);
    assert_eq!(stage.store.recount(&task_id("T"), TTL).await.unwrap(), Recounted::Recounted);
    assert_eq!(head(&stage), before);
    stage.raw(&["HSET", "outcomes:T", "0@1", "completed 1 0 11"]);
    stage.store.recount(&task_id("T"), TTL).await.unwrap();
    assert_eq!(stage.head("T"), "completed 2 0 0");
}

#[tokio::test]
async fn a_task_that_was_never_requeued_has_no_generations_to_ask_for() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    assert_eq!(stage.fold(&["T 0 1 completed 1 0 w 9"]).await, counts(0, 0, 0, 1));
    assert_eq!(stage.raw(&["HEXISTS", "task:T", "generations"]).integer(), 0);
    stage.store.recount(&task_id("T"), TTL).await.unwrap();
    assert_eq!(stage.raw(&["HEXISTS", "task:T", "generations"]).integer(), 0);
}
