//! The laws of what waits: in `delayed`, in plans, and over generations. Each is broken by hand and seen by name.

use crate::audit_laws::{look, named};
use crate::stage::{MEDIUM, Stage, definition, dependant, id, name, stage};
use proto_schemas::{FactKind, OnFailure};
use redis_store::cancel::{CancelOrder, Cancelled};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// Task `P`: 0 runs, 1 waits for 0, 2 for 0 and 1. `R` waits for another attempt. `G` runs a second time.
pub async fn sound() -> Stage {
    let stage = stage().await;
    stage.submit("G", 1).await;
    let fetched = stage.fetch("w", 1).await;
    stage.settle("w", &fetched, FactKind::Failed).await;
    stage.fold().await;
    stage.requeue("G", 0, 0).await;
    assert_eq!(stage.fetch("w", 1).await.len(), 1);
    stage.submit("R", 1).await;
    let fetched = stage.fetch("w", 1).await;
    stage.retry("w", &fetched, HOUR).await;
    let plan = vec![
        definition("first"),
        dependant("second", &[(0, OnFailure::FailFast)]),
        dependant("third", &[(0, OnFailure::Skip), (1, OnFailure::Continue)]),
    ];
    stage.submit_plan("P", plan).await;
    stage.fold().await;
    let report = look(&stage).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.tasks, report.entries, report.delayed), (3, 2, 1));
    stage
}

async fn breaks(stage: &Stage, change: &[&str], expected: &str, restore: &[&str]) {
    stage.words(change);
    assert!(named(stage).await.iter().any(|found| found == expected), "{change:?}: {:?}", named(stage).await);
    stage.words(restore);
    let report = look(stage).await;
    assert!(report.is_clean(), "{restore:?}: {report}");
}

#[tokio::test]
async fn what_waits_in_a_plan_or_in_delayed_has_its_token_there() {
    let stage = sound().await;
    stage.words(&["HDEL", "plan:P", "b:1", "w:1"]);
    assert_eq!(named(&stage).await, ["token_missing P 1"]);
    stage.words(&["ZREM", "delayed", "R-0"]);
    assert_eq!(named(&stage).await, ["token_missing P 1", "token_missing R 0"]);
}

#[tokio::test]
async fn token_doubled_is_an_entry_beside_a_delayed_member_or_a_place_in_a_plan() {
    let stage = sound().await;
    stage.command(&format!("XADD {MEDIUM} * task_id R subtask_id R-0 description again"));
    stage.command(&format!("XADD {MEDIUM} * task_id P subtask_id P-2 description again"));
    assert_eq!(named(&stage).await, ["token_doubled P 2", "token_doubled R 0"]);
}

#[tokio::test]
async fn token_after_record_is_a_blocked_place_of_what_has_ended() {
    let stage = sound().await;
    stage.words(&["HSET", "outcomes:P", "2", "completed 1 0 5"]);
    stage.command("HSET task:P completed 1 status processing");
    stage.command("ZREM tasks:queued P");
    stage.command("ZADD tasks:processing 1 P");
    assert_eq!(named(&stage).await, ["token_after_record P 2"]);
}

#[tokio::test]
async fn delayed_leftover_is_a_member_without_a_body_or_with_one_that_is_no_entry() {
    let stage = sound().await;
    let body = stage.command("HGET delayed:body R-0").text();
    let restore = ["HSET", "delayed:body", "R-0", &body];
    breaks(&stage, &["HDEL", "delayed:body", "R-0"], "delayed_leftover - -", &restore).await;
    for nonsense in ["nonsense", "[\"default\"]", "[\"default\",\"task_id\",\"R\"]", "[1,2,3]"] {
        breaks(&stage, &["HSET", "delayed:body", "R-0", nonsense], "delayed_leftover - -", &restore).await;
    }
    breaks(&stage, &["ZADD", "delayed", "1", "X-0"], "delayed_leftover - -", &["ZREM", "delayed", "X-0"]).await;
}

#[tokio::test]
async fn delayed_leftover_is_a_member_of_what_has_ended_unless_it_was_parked_when_a_cancel_came() {
    let stage = sound().await;
    let (score, body) = (stage.command("ZSCORE delayed R-0").text(), stage.command("HGET delayed:body R-0").text());
    let order = CancelOrder { reason: None, task_ttl: HOUR, only_past: false, if_revision: None };
    let answer = stage.store.cancel(&name("api"), &id("R"), &order).await.expect("an answer");
    assert!(matches!(answer, Cancelled::Cancelled(1, Some(_))));
    assert_eq!(named(&stage).await, [""; 0], "a cancel leaves nothing in delayed");
    stage.words(&["ZADD", "delayed", &score, "R-0"]);
    stage.words(&["HSET", "delayed:body", "R-0", &body]);
    assert_eq!(named(&stage).await, ["delayed_leftover R 0"]);
    stage.words(&["HSET", "delayed:body", "R-0", &body.replace(']', ",\"parked_at\",\"5\"]")]);
    assert_eq!(named(&stage).await, [""; 0], "what was parked comes back to its stream and is dropped there");
    stage.command(&format!("XADD {MEDIUM} * task_id R subtask_id R-0 description again"));
    assert_eq!(named(&stage).await, ["delayed_leftover R 0"], "but only one");
}

#[tokio::test]
async fn blocked_stuck_is_a_place_that_waits_for_nobody_or_for_what_has_ended() {
    let stage = sound().await;
    breaks(&stage, &["HSET", "plan:P", "w:1", ","], "blocked_stuck P 1", &["HSET", "plan:P", "w:1", ",0,"]).await;
    breaks(&stage, &["HDEL", "plan:P", "w:1"], "blocked_stuck P 1", &["HSET", "plan:P", "w:1", ",0,"]).await;
    stage.words(&["HSET", "outcomes:P", "0", "completed 1 0 5"]);
    let names = named(&stage).await;
    assert!(names.contains(&"blocked_stuck P 1".to_owned()), "{names:?}");
    assert!(
        names.contains(&"blocked_stuck P 2".to_owned()),
        "2 still waits for 1, but 0 will never be taken off: {names:?}"
    );
}

#[tokio::test]
async fn plan_disagrees_when_it_does_not_follow_from_the_definitions() {
    let stage = sound().await;
    let body = stage.command("HGET plan:P b:1").text();
    let others = stage.command("HGET plan:P b:2").text();
    let edges = stage.command("HGET plan:P e:0").text();
    assert_eq!(edges, "1:fail_fast 2:skip");
    for (change, restore) in [
        (["HSET", "plan:P", "b:1", "nonsense"], ["HSET", "plan:P", "b:1", &body]),
        (["HSET", "plan:P", "b:1", &others], ["HSET", "plan:P", "b:1", &body]),
        (["HSET", "plan:P", "w:1", ",0,2,"], ["HSET", "plan:P", "w:1", ",0,"]),
        (["HSET", "plan:P", "e:0", "2:skip"], ["HSET", "plan:P", "e:0", &edges]),
        (["HSET", "plan:P", "e:0", "1:continue 2:skip"], ["HSET", "plan:P", "e:0", &edges]),
        (["HSET", "plan:P", "queues", "other"], ["HSET", "plan:P", "queues", "default"]),
    ] {
        breaks(&stage, &change, "plan_disagrees P 1", &restore).await;
    }
    let restore = ["HSET", "plan:P", "w:2", ",0,1,"];
    breaks(&stage, &["HSET", "plan:P", "w:2", ",1,"], "plan_disagrees P 2", &restore).await;
    breaks(&stage, &["HSET", "plan:P", "x", "y"], "plan_disagrees P -", &["HDEL", "plan:P", "x"]).await;
    breaks(&stage, &["HSET", "plan:P", "w:0", ",1,"], "plan_disagrees P 0", &["HDEL", "plan:P", "w:0"]).await;
}

#[tokio::test]
async fn plan_disagrees_when_a_task_that_has_ended_still_has_one() {
    let stage = sound().await;
    stage.submit("D", 1).await;
    let fetched = stage.fetch("w", 128).await;
    let of = |task: &str| -> Vec<_> {
        fetched.iter().filter(|it| it.entry.as_ref().is_ok_and(|it| it.task_id.as_str() == task)).cloned().collect()
    };
    stage.settle("w", &of("D"), FactKind::Completed).await;
    stage.fold().await;
    breaks(&stage, &["HSET", "plan:D", "queues", "default"], "plan_disagrees D -", &["DEL", "plan:D"]).await;
}

#[tokio::test]
async fn generation_disagrees_when_it_follows_on_nothing_or_something_is_of_a_later_one() {
    let stage = sound().await;
    for (change, restore) in [
        (vec!["HDEL", "outcomes:G", "g:0"], vec!["HSET", "outcomes:G", "g:0", "1"]),
        (vec!["HSET", "outcomes:P", "0@1", "failed 1 0 5"], vec!["HDEL", "outcomes:P", "0@1"]),
        (vec!["HSET", "outcomes:P", "~0", "1 1 0 5 started w"], vec!["HDEL", "outcomes:P", "~0"]),
    ] {
        let task = change[1].trim_start_matches("outcomes:");
        breaks(&stage, &change, &format!("generation_disagrees {task} 0"), &restore).await;
    }
    breaks(
        &stage,
        &["HDEL", "task:G", "generations"],
        "generation_disagrees G -",
        &["HSET", "task:G", "generations", "1"],
    )
    .await;
    stage.command("HSET outcomes:G g:0 2");
    assert_eq!(named(&stage).await, ["generation_disagrees G 0", "token_after_record G 0", "token_missing G 0"]);
}

#[tokio::test]
async fn counters_are_those_of_the_current_generations() {
    let stage = stage().await;
    stage.submit("G", 1).await;
    for (generation, kind) in [(0, FactKind::Failed), (1, FactKind::Cancelled), (2, FactKind::Completed)] {
        let fetched = stage.fetch("w", 1).await;
        stage.settle("w", &fetched, kind).await;
        stage.fold().await;
        assert_eq!(named(&stage).await, [""; 0]);
        if kind != FactKind::Completed {
            stage.requeue("G", 0, generation).await;
            assert_eq!(named(&stage).await, [""; 0]);
        }
    }
    let task = stage.task("G").await;
    assert_eq!((task.completed, task.failed, task.cancelled), (1, 0, 0));
    stage.command("HSET task:G failed 1");
    let names = named(&stage).await;
    assert!(names.contains(&"counters_disagree G -".to_owned()), "{names:?}");
}
