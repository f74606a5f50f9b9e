//! Folds that are more work than Redis should do at once.

use crate::stage::{Stage, TTL, name, plan, stage};
use redis_store::events::EventEntry;
use redis_store::fold::FoldCounts;

const TASKS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

/// Six tasks of a thousand subtasks, all but one of which wait for the first; that has ended in each.
async fn six_wide_plans(stage: &Stage, edge: &str, end: &str) -> Vec<EventEntry> {
    let mut parents = vec![""];
    parents.extend(vec![edge; 999]);
    for task in TASKS {
        stage.accept(&plan(task, &parents)).await;
    }
    stage.fold(&[]).await;
    let ends = TASKS.map(|task| format!("{task} 0 0 {end} 1 0 w 5")).join("\n");
    stage.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", &format!("{ends}\nno fact")]);
    stage.events().await
}

/// How often a script was run since the last look.
fn calls(stage: &Stage) -> u64 {
    let stats = stage.raw(&["INFO", "commandstats"]).text();
    stage.raw(&["CONFIG", "RESETSTAT"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    line.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse().expect("a number"))
}

fn pending(stage: &Stage) -> i64 {
    stage.raw(&["XPENDING", "events", "projector"]).items()[0].integer()
}

#[tokio::test]
async fn what_releases_thousands_is_folded_in_parts_and_acknowledged_by_the_last() {
    let stage = stage().await;
    let events = six_wide_plans(&stage, "0:continue", "completed").await;
    calls(&stage);
    let counts = stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts;
    assert_eq!(counts, FoldCounts { counted: 6, ..FoldCounts::default() });
    assert_eq!((calls(&stage), pending(&stage)), (3, 0), "one call is refused, two do three tasks each");
    assert_eq!(stage.raw(&["XLEN", "subtasks:default:medium"]).integer(), 6_000);
    assert_eq!(stage.raw(&["XLEN", "dead-letters"]).integer(), 1);
    assert_eq!(TASKS.map(|task| stage.head(task)), ["processing 1 0 0"; 6]);
    let again = stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts;
    assert_eq!(again, FoldCounts { duplicate: 6, ..FoldCounts::default() });
    assert_eq!(stage.raw(&["XLEN", "subtasks:default:medium"]).integer(), 6_000);
}

#[tokio::test]
async fn a_part_that_fails_leaves_the_entry_to_be_folded_again() {
    let stage = stage().await;
    let events = six_wide_plans(&stage, "0:continue", "completed").await;
    stage.raw(&["SET", "outcomes:F", "of another type"]);
    assert!(stage.store.fold(&name("p"), TTL, &events).await.is_err());
    assert_eq!((pending(&stage), stage.raw(&["EXISTS", "dead-letters"]).integer()), (1, 0));
    stage.raw(&["DEL", "outcomes:F"]);
    let counts = stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts;
    assert_eq!(counts, FoldCounts { counted: 3, duplicate: 3, ..FoldCounts::default() });
    assert_eq!((pending(&stage), stage.raw(&["XLEN", "dead-letters"]).integer()), (0, 1));
    assert_eq!(stage.raw(&["XLEN", "subtasks:default:medium"]).integer(), 6_000);
}

#[tokio::test]
async fn without_memory_every_part_runs_to_its_end() {
    let stage = stage().await;
    let events = six_wide_plans(&stage, "0:skip", "failed").await;
    calls(&stage);
    stage.out_of_memory();
    assert_eq!(stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts.counted, 6);
    assert!(calls(&stage) > 2);
    assert_eq!((pending(&stage), TASKS.map(|task| stage.head(task))), (0, ["failed 0 1 999"; 6].map(str::to_owned)));
}

#[tokio::test]
async fn an_entry_of_the_log_is_about_a_thousand_subtasks_at_most() {
    let stage = stage().await;
    let mut parents = vec![""];
    parents.extend(vec!["0:skip"; 400]);
    for task in ["A", "B", "C"] {
        stage.accept(&plan(task, &parents)).await;
    }
    stage.fold(&[]).await;
    stage.fold(&[&["A", "B", "C"].map(|task| format!("{task} 0 0 failed 1 0 w 5")).join("\n")]).await;
    let told: Vec<usize> = stage.events().await.iter().map(|entry| entry.lines.len()).collect();
    assert_eq!(told, [2, 1]);
}
