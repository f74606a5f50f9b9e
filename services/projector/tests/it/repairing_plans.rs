//! Plans that a hand broke follow from the definitions again.

use crate::audit_laws::{look, named};
use crate::audit_waiting::sound;
use crate::repairing::{finish, mend, mends};
use crate::stage::{Stage, definition, dependant, stage};
use projector::repair::report::Deed;
use proto_schemas::{FactKind, OnFailure, TaskStatus};

#[tokio::test]
async fn a_blocked_subtask_without_a_place_goes_back_into_the_plan() {
    let stage = sound().await;
    let before = stage.hash("plan:P");
    stage.words(&["HDEL", "plan:P", "b:1", "w:1"]);
    mends(&stage, &[Deed::Recounted, Deed::AddedAgain]).await;
    let (after, without) = (stage.hash("plan:P"), |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !line.starts_with("b:1=")).cloned().collect()
    });
    assert_eq!(without(&after), without(&before));
    assert_eq!(finish(&stage, "P").await, TaskStatus::Completed);
}

#[tokio::test]
async fn a_plan_that_vanished_is_made_again() {
    let stage = sound().await;
    let before = stage.hash("plan:P");
    let body_of = |lines: &[String], index: u32| -> Vec<String> {
        let line = lines.iter().find_map(|line| line.strip_prefix(&format!("b:{index}="))).expect("a place");
        serde_json::from_str(line).expect("a list")
    };
    stage.command("DEL plan:P");
    mends(&stage, &[Deed::Recounted, Deed::Recounted, Deed::AddedAgain, Deed::AddedAgain]).await;
    let after = stage.hash("plan:P");
    for index in [1, 2] {
        assert_eq!(body_of(&after, index), body_of(&before, index));
    }
    let others = |lines: Vec<String>| lines.into_iter().filter(|line| !line.starts_with("b:")).collect::<Vec<_>>();
    assert_eq!(others(after), others(before));
    assert_eq!(finish(&stage, "P").await, TaskStatus::Completed);
}

#[tokio::test]
async fn every_field_that_disagrees_comes_back_as_it_was() {
    let stage = sound().await;
    let before = stage.hash("plan:P");
    let others = stage.command("HGET plan:P b:2").text();
    for change in [
        &["HSET", "plan:P", "w:1", ",0,2,"][..],
        &["HSET", "plan:P", "w:2", ",1,"],
        &["HSET", "plan:P", "w:2", "nonsense"],
        &["HDEL", "plan:P", "w:1"],
        &["HSET", "plan:P", "e:0", "2:skip"],
        &["HSET", "plan:P", "e:0", "nonsense"],
        &["HDEL", "plan:P", "e:0", "e:1"],
        &["HDEL", "plan:P", "queues"],
        &["HSET", "plan:P", "x", "y", "w:0", ",1,"],
        &["HSET", "plan:P", "b:7", "nonsense"],
        &["HSET", "plan:P", "b:1", &others],
    ] {
        stage.words(change);
        let report = mend(&stage).await;
        assert!(report.is_clean() && !report.repairs.is_empty(), "{change:?}: {report}");
        assert!(report.repairs.iter().all(|repair| repair.deed == Deed::Replanned), "{change:?}: {report}");
        assert_eq!(stage.hash("plan:P"), before, "{change:?}");
    }
    assert_eq!(finish(&stage, "P").await, TaskStatus::Completed);
}

#[tokio::test]
async fn the_plan_of_a_task_that_has_ended_is_removed() {
    let stage = stage().await;
    stage.submit("D", 1).await;
    stage.complete_all().await;
    stage.fold().await;
    stage.words(&["HSET", "plan:D", "queues", "default", "b:0", "nonsense"]);
    let report = mend(&stage).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(stage.command("EXISTS plan:D").integer(), 0);
}

/// Task `S` of three in which 0 has ended so, and 1, which depends on it and has a dependant of its own, was not told.
async fn stuck(end: FactKind, on_failure: OnFailure) -> Stage {
    let stage = stage().await;
    let plan = vec![
        definition("first"),
        dependant("second", &[(0, on_failure)]),
        dependant("third", &[(1, OnFailure::Continue)]),
    ];
    stage.submit_plan("S", plan).await;
    let fetched = stage.fetch("w", 1).await;
    stage.settle("w", &fetched, end).await;
    stage.command("RENAME plan:S aside");
    stage.fold().await;
    stage.command("RENAME aside plan:S");
    assert_eq!(named(&stage).await, ["blocked_stuck S 1"]);
    stage
}

#[tokio::test]
async fn what_waits_for_a_parent_that_has_ended_is_released() {
    for (end, on_failure) in [(FactKind::Completed, OnFailure::FailFast), (FactKind::Failed, OnFailure::Continue)] {
        let stage = stuck(end, on_failure).await;
        mends(&stage, &[Deed::AddedAgain]).await;
        let expected = if end == FactKind::Failed { TaskStatus::Failed } else { TaskStatus::Completed };
        assert_eq!(finish(&stage, "S").await, expected);
        assert!(look(&stage).await.is_clean());
    }
}

#[tokio::test]
async fn what_waits_for_a_parent_that_failed_is_told_and_skipped_or_cancelled_by_the_fold() {
    for (on_failure, records) in [(OnFailure::Skip, [1, 1, 1]), (OnFailure::FailFast, [0, 1, 2])] {
        let stage = stuck(FactKind::Failed, on_failure).await;
        mends(&stage, &[Deed::Retold]).await;
        stage.fold().await;
        let status = finish(&stage, "S").await;
        let task = stage.task("S").await;
        assert_eq!((status, [task.completed, task.failed, task.cancelled]), (TaskStatus::Failed, records));
        assert!(look(&stage).await.is_clean());
    }
}

#[tokio::test]
async fn without_a_place_what_its_parents_end_forbids_does_not_run() {
    let stage = stuck(FactKind::Failed, OnFailure::FailFast).await;
    stage.words(&["HDEL", "plan:S", "b:1", "w:1"]);
    assert!(named(&stage).await.contains(&"token_missing S 1".to_owned()));
    let report = mend(&stage).await;
    assert!(report.is_clean(), "{report}");
    stage.fold().await;
    let task = stage.task("S").await;
    assert_eq!((task.status, task.cancelled), (TaskStatus::Failed, 2));
    assert!(look(&stage).await.is_clean());
}
