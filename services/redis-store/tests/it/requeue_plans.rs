//! What depends on what when a part of a plan runs again.

use crate::requeue::{Again, requeue_with};
use crate::stage::{ADMISSION, Stage, plan, stage};
use redis_store::requeue::Requeued;
use redis_store::submit::Submission;

/// A task whose chain was skipped from its failing head on, beside one that completed.
async fn skipped() -> (Stage, Submission) {
    let stage = stage().await;
    let order = plan("T", &["", "0:skip", "1:skip 3:skip", ""]);
    assert!(stage.store.submit(&order, ADMISSION).await.is_ok());
    stage.running().await;
    stage.fold(&["T 0 0 failed 1 0 w 5\nT 3 0 completed 1 0 w 5"]).await;
    assert_eq!((stage.head("T"), stage.raw(&["EXISTS", "plan:T"]).integer()), ("failed 1 1 2".into(), 0));
    (stage, order)
}

const CHAIN: [Again; 3] = [(0, 0, "1:skip"), (1, 0, "2:skip"), (2, 0, "")];

#[tokio::test]
async fn what_depends_on_another_that_runs_again_waits_for_it_and_for_nothing_else() {
    let (stage, order) = skipped().await;
    assert_eq!(requeue_with(&stage, &order.subtasks, &CHAIN, None).await.unwrap(), Requeued::Requeued);
    let kept = |field: &str| stage.raw(&["HGET", "plan:T", field]).text();
    assert_eq!((kept("queues"), kept("e:0"), kept("e:1")), ("default".into(), "1:skip".into(), "2:skip".into()));
    assert_eq!((kept("w:1"), kept("w:2")), (",0,".into(), ",1,".into()));
    assert!(kept("b:2").contains("\"generation\",\"1\"") && kept("b:2").contains("s1=1:skip,s3=3:skip"));
    stage.fold(&["T 0 1 completed 1 0 w 5"]).await;
    stage.fold(&["T 1 1 completed 1 0 w 5"]).await;
    let entries = stage.fetch("w", 9).await;
    let told: Vec<(u32, u32)> =
        entries.iter().map(|one| one.entry.as_ref().map(|entry| (entry.index, entry.generation)).unwrap()).collect();
    assert_eq!(told, [(0, 1), (1, 1), (2, 1)]);
    stage.fold(&["T 2 1 completed 1 0 w 5"]).await;
    assert_eq!((stage.head("T"), stage.raw(&["EXISTS", "plan:T"]).integer()), ("completed 4 0 0".into(), 0));
}

#[tokio::test]
async fn a_failure_of_the_second_life_skips_again() {
    let (stage, order) = skipped().await;
    requeue_with(&stage, &order.subtasks, &CHAIN, None).await.unwrap();
    stage.fold(&["T 0 1 failed 1 0 w 5"]).await;
    assert_eq!(stage.head("T"), "failed 1 1 2");
    let told: Vec<String> = stage.facts().into_iter().filter(|line| line.ends_with("skipped")).collect();
    assert_eq!(told, ["T 1-2 0 cancelled 0 0 p skipped", "T 1-2 1 cancelled 0 0 p skipped"]);
}

/// A task whose last subtask failed as the first did; the second completed.
async fn failed(parents: &str) -> (Stage, Submission) {
    let stage = stage().await;
    let order = plan("T", &["", "", parents]);
    stage.accept(&order).await;
    stage.running().await;
    stage.fold(&["T 1 0 completed 1 0 w 5\nT 0 0 failed 1 0 w 5\nT 2 0 failed 1 0 w 5"]).await;
    stage.running().await;
    assert_eq!(stage.head("T").split(' ').next(), Some("failed"));
    (stage, order)
}

#[tokio::test]
async fn who_depends_on_what_has_ended_runs_at_once() {
    let (stage, order) = failed("0:continue 1:skip").await;
    assert_eq!(requeue_with(&stage, &order.subtasks, &[(2, 0, "")], None).await.unwrap(), Requeued::Requeued);
    assert_eq!((stage.running().await, stage.raw(&["EXISTS", "plan:T"]).integer()), (vec![2], 0));
}

#[tokio::test]
async fn without_a_parent_that_it_cannot_do_without_nothing_runs_again() {
    for parents in ["0:skip", "1:skip 0:fail_fast"] {
        let (stage, order) = failed(parents).await;
        let letter_id = stage.raw(&["XADD", "dead-letters", "*", "a", "b"]).text();
        let before = stage.exact();
        for items in [&[(2, 0, "")][..], &[(1, 0, "2:skip"), (2, 0, "")]] {
            let answer = requeue_with(&stage, &order.subtasks, items, Some(&letter_id)).await.unwrap();
            assert_eq!((answer, stage.exact()), (Requeued::Gone, before.clone()), "{parents}");
        }
        let whole = [(0, 0, "2:skip"), (2, 0, "")];
        assert_eq!(requeue_with(&stage, &order.subtasks, &whole, None).await.unwrap(), Requeued::Requeued);
        // Now it has another generation, and as long as that is open it is waited for.
        assert_eq!(stage.raw(&["HGET", "plan:T", "w:2"]).text(), ",0,");
    }
}

#[tokio::test]
async fn in_an_open_task_it_waits_for_parents_that_have_not_ended() {
    let (stage, order) = skipped().await;
    requeue_with(&stage, &order.subtasks, &[(0, 0, "1:skip")], None).await.unwrap();
    requeue_with(&stage, &order.subtasks, &[(1, 0, "2:skip")], None).await.unwrap();
    assert_eq!(stage.raw(&["HGET", "plan:T", "w:1"]).text(), ",0,");
    assert_eq!(stage.running().await, [0]);
    stage.fold(&["T 0 1 completed 1 0 w 5"]).await;
    assert_eq!(stage.running().await, [1]);
    assert_eq!(stage.head("T"), "processing 2 0 1");
}
