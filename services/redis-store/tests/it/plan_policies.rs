//! What becomes of those who depend on what did not complete.

use crate::stage::{Stage, TTL, plan, stage, task_id};
use redis_store::recount::Recounted;

async fn accepted(parents: &[&str]) -> Stage {
    let stage = stage().await;
    stage.accept(&plan("T", parents)).await;
    stage.fold(&[]).await;
    stage
}

fn ended(index: usize, word: &str) -> String {
    format!("T {index} 0 {word} 1 0 w 5")
}

/// The facts that a projector told itself.
fn told(stage: &Stage) -> Vec<String> {
    stage.facts().into_iter().filter(|line| line.contains(" p ") || line.ends_with(" p")).collect()
}

fn record(stage: &Stage, index: usize) -> String {
    let record = stage.raw(&["HGET", "outcomes:T", &index.to_string()]);
    let words: Vec<String> = record.text().split(' ').map(str::to_owned).collect();
    [&words[..3], &words[4..]].concat().join(" ")
}

#[tokio::test]
async fn a_skip_cascades_along_its_own_edges_and_shares_a_line_with_its_neighbours() {
    let stage = accepted(&["", "0:skip", "1:skip", "2:skip", "0:continue", "1:skip 4:skip", "3:continue"]).await;
    assert_eq!(stage.fold(&[&ended(0, "failed")]).await.counted, 1);
    assert_eq!(told(&stage), ["T 1-3 0 cancelled 0 0 p skipped", "T 5 0 cancelled 0 0 p skipped"]);
    for index in [1, 2, 3, 5] {
        assert_eq!(record(&stage, index), "cancelled 0 0 skipped");
    }
    assert_eq!(stage.running().await, [0, 4, 6], "a continue goes on behind a failure and behind a skip");
    assert_eq!(stage.head("T"), "processing 0 1 4");
    assert_eq!(stage.raw(&["HKEYS", "plan:T"]).items().iter().filter(|key| key.text().contains(['b', 'w'])).count(), 0);
    let counts = stage.fold(&[]).await;
    assert_eq!((counts.counted, counts.duplicate), (0, 4), "its own facts are known");
    stage.fold(&[&ended(4, "completed"), &ended(6, "completed")]).await;
    assert_eq!(stage.head("T"), "failed 2 1 4");
    assert_eq!(stage.raw(&["EXISTS", "plan:T"]).integer(), 0);
    assert_eq!(stage.raw(&["EXISTS", "cancelled"]).integer(), 0, "nobody who runs has to be told of a skip");
}

#[tokio::test]
async fn a_skip_that_ends_the_task_ends_it() {
    let stage = accepted(&["", "0:skip", "1:skip"]).await;
    stage.fold(&[&ended(0, "failed")]).await;
    assert_eq!(stage.head("T"), "failed 0 1 2");
    assert_eq!(stage.raw(&["EXISTS", "plan:T"]).integer(), 0);
    let finished: i64 = stage.task("T", "finished_at").parse().unwrap();
    assert_eq!(stage.raw(&["ZSCORE", "lifetimes", "T"]).integer(), finished + TTL.as_millis() as i64);
    let before = (stage.head("T"), stage.task("T", "finished_at"), stage.task("T", "updated_at"));
    assert_eq!(stage.store.recount(&task_id("T"), TTL).await.unwrap(), Recounted::Recounted);
    assert_eq!((stage.head("T"), stage.task("T", "finished_at"), stage.task("T", "updated_at")), before);
}

#[tokio::test]
async fn a_skip_beats_what_its_other_parents_do_whatever_comes_first() {
    for order in [[0, 1], [1, 0]] {
        let stage = accepted(&["", "", "0:skip 1:continue", "2:continue"]).await;
        for index in order {
            stage.fold(&[&ended(index, "failed")]).await;
        }
        assert_eq!(stage.running().await, [0, 1, 3]);
        assert_eq!(record(&stage, 2), "cancelled 0 0 skipped");
    }
    let stage = accepted(&["", "", "0:skip 1:continue", "2:continue"]).await;
    stage.fold(&[&[ended(1, "completed"), ended(0, "cancelled")].join("\n")]).await;
    assert_eq!(stage.running().await, [0, 1, 3], "in one fold too");
}

#[tokio::test]
async fn a_failure_that_someone_depends_on_fails_the_rest_fast() {
    let stage = accepted(&["", "", "0:fail_fast", "2:continue", "1:continue"]).await;
    assert_eq!(stage.running().await, [0, 1]);
    stage.raw(&["ZADD", "delayed", "1", "T-1"]);
    stage.raw(&["HSET", "delayed:body", "T-1", "x"]);
    let before = stage.store.now_ms().await.unwrap();
    assert_eq!(stage.fold(&[&ended(0, "failed")]).await.counted, 1);
    assert_eq!(told(&stage), ["T 1-4 0 cancelled 0 0 p fail_fast"]);
    assert_eq!((stage.head("T"), record(&stage, 1)), ("failed 0 1 4".into(), "cancelled 0 0 fail_fast".into()));
    assert_eq!(stage.raw(&["EXISTS", "plan:T", "delayed", "delayed:body"]).integer(), 0);
    let hint = stage.raw(&["ZSCORE", "cancelled", "T"]).integer() as u64;
    assert!(hint >= before + proto_schemas::limit::CANCEL_HINT_MS, "who runs the second is told");
    assert_eq!(stage.fold(&[&ended(1, "completed")]).await.counted, 0);
    assert_eq!(stage.head("T"), "failed 0 1 4");
}

#[tokio::test]
async fn a_failure_that_nobody_depends_on_stops_nobody() {
    let stage = accepted(&["", "", "0:fail_fast"]).await;
    stage.fold(&[&ended(1, "failed")]).await;
    assert_eq!((stage.head("T"), told(&stage).len()), ("processing 0 1 0".into(), 0));
    stage.fold(&[&ended(0, "completed")]).await;
    assert_eq!(stage.running().await, [0, 1, 2]);
}

#[tokio::test]
async fn what_became_ready_beside_a_fast_failure_does_not_start() {
    let stage = accepted(&["", "", "0:fail_fast", "1:fail_fast"]).await;
    stage.fold(&[&[ended(0, "completed"), ended(1, "failed")].join("\n")]).await;
    assert_eq!(stage.running().await, [0, 1]);
    assert_eq!(told(&stage), ["T 2-3 0 cancelled 0 0 p fail_fast"]);
    assert_eq!(stage.head("T"), "failed 1 1 2");
}

#[tokio::test]
async fn a_skip_and_a_fast_failure_in_one_fold_are_told_apart() {
    let stage = accepted(&["", "", "0:skip", "1:fail_fast", ""]).await;
    stage.fold(&[&[ended(0, "failed"), ended(1, "failed")].join("\n")]).await;
    assert_eq!(told(&stage), ["T 2 0 cancelled 0 0 p skipped", "T 3-4 0 cancelled 0 0 p fail_fast"]);
    assert_eq!(stage.head("T"), "failed 0 2 3");
}

#[tokio::test]
async fn a_fast_failure_beats_a_skip_whatever_comes_first() {
    for (order, skipped) in [([0, 1], 1), ([1, 0], 0)] {
        let stage = accepted(&["", "", "0:skip 1:fail_fast", ""]).await;
        for index in order {
            stage.fold(&[&ended(index, "failed")]).await;
        }
        assert_eq!(record(&stage, 3), "cancelled 0 0 fail_fast", "{order:?}: what has nothing to do with it ends too");
        assert_eq!(stage.head("T").split(' ').next(), Some("failed"));
        let told = told(&stage);
        assert_eq!(told.iter().filter(|line| line.ends_with("skipped")).count(), skipped, "{told:?}");
    }
    let stage = accepted(&["", "", "0:skip 1:fail_fast", ""]).await;
    stage.fold(&[&[ended(0, "failed"), ended(1, "failed")].join("\n")]).await;
    assert_eq!((stage.head("T"), record(&stage, 3)), ("failed 0 2 2".into(), "cancelled 0 0 fail_fast".into()));
}

#[tokio::test]
async fn a_failure_stops_nobody_where_its_child_has_completed() {
    let stage = accepted(&["", "0:fail_fast", "1:skip"]).await;
    stage.fold(&[&[ended(1, "completed"), ended(0, "failed")].join("\n")]).await; // as a hand may have it
    assert_eq!(stage.running().await, [0, 2]);
    assert_eq!(stage.head("T"), "processing 1 1 0");
}

#[tokio::test]
async fn an_end_that_is_told_again_releases_whoever_still_waits_for_it_and_nobody_twice() {
    for (policy, left) in [("continue", vec![0, 1]), ("skip", vec![0])] {
        let stage = accepted(&["", &format!("0:{policy}"), "1:continue"]).await;
        stage.raw(&["RENAME", "plan:T", "aside"]);
        stage.fold(&[&ended(0, "failed")]).await;
        stage.raw(&["RENAME", "aside", "plan:T"]);
        let revision = stage.task("T", "revision");
        let counts = stage.fold(&[&ended(0, "completed")]).await;
        assert_eq!((counts.counted, counts.duplicate), (0, 1));
        assert_eq!(stage.running().await[..left.len()], left, "the first outcome stands");
        assert_ne!(stage.task("T", "revision"), revision, "whoever looked before has to look again");
        stage.fold(&[]).await;
        let before = (stage.running().await, stage.head("T"), stage.task("T", "revision"));
        stage.fold(&[&ended(0, "failed"), &ended(0, "failed")]).await;
        assert_eq!((stage.running().await, stage.head("T"), stage.task("T", "revision")), before);
    }
}

#[tokio::test]
async fn a_cancelled_parent_counts_like_a_failed_one() {
    let stage = accepted(&["", "0:continue", "0:skip"]).await;
    stage.fold(&["T 0 0 cancelled 0 0 api 5"]).await;
    assert_eq!(stage.running().await, [0, 1]);
    assert_eq!(record(&stage, 2), "cancelled 0 0 skipped");
    stage.fold(&[&ended(1, "completed")]).await;
    assert_eq!(stage.head("T"), "cancelled 1 0 2");
}

#[tokio::test]
async fn a_thousand_are_skipped_or_failed_in_one_fold() {
    for (policy, status) in [("skip", "failed 0 1 999"), ("fail_fast", "failed 0 1 999")] {
        let first = format!("0:{policy}");
        let mut parents = vec![""];
        parents.extend(vec![first.as_str(); 999]);
        let stage = accepted(&parents).await;
        stage.fold(&[&ended(0, "failed")]).await;
        assert_eq!(stage.head("T"), status);
        let reason = if policy == "skip" { "skipped" } else { policy };
        assert_eq!(told(&stage), [format!("T 1-999 0 cancelled 0 0 p {reason}")]);
    }
}

#[tokio::test]
async fn a_chain_of_a_thousand_is_skipped_from_its_first_failure_on() {
    let parents: Vec<String> = (0..1_000)
        .map(|index: usize| index.checked_sub(1).map(|parent| format!("{parent}:skip")).unwrap_or_default())
        .collect();
    let stage = accepted(&parents.iter().map(String::as_str).collect::<Vec<_>>()).await;
    stage.fold(&[&ended(0, "failed")]).await;
    assert_eq!((stage.head("T"), told(&stage).len()), ("failed 0 1 999".into(), 1));
}

#[tokio::test]
async fn every_order_in_which_ends_become_known_ends_the_same_way() {
    let parents = ["", "0:skip", "0:continue", "1:continue 2:skip", "3:skip", "2:continue"];
    let ends = [(0, "failed"), (2, "failed"), (5, "completed")];
    let mut seen: Option<Vec<String>> = None;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for in_one in [false, true] {
            let stage = accepted(&parents).await;
            let lines: Vec<String> = order.map(|at| ended(ends[at].0, ends[at].1)).to_vec();
            if in_one {
                stage.fold(&[&lines.join("\n")]).await;
            } else {
                stage.fold(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
            }
            let mut left = vec![stage.head("T")];
            left.extend((0..6).map(|index| record(&stage, index)));
            assert_eq!(seen.get_or_insert_with(|| left.clone()), &left, "{order:?} {in_one}");
        }
    }
    assert_eq!(seen.unwrap()[0], "failed 1 2 3");
}
