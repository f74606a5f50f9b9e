//! Each law, broken by hand and seen by name.

use crate::stage::{MEDIUM, Stage, TTL, name, stage};
use projector::audit;
use projector::audit::law::Law;
use projector::audit::report::Report;
use proto_schemas::FactKind;
use std::time::Duration;

/// Task `T` of three subtasks, the first completed and folded, the second held by a worker, the third waiting; task
/// `D` of two, done. Nothing runs, so nothing repairs itself.
async fn sound() -> Stage {
    let stage = stage().await;
    stage.submit("D", 2).await;
    let done = stage.fetch("w", 2).await;
    stage.settle("w", &done, FactKind::Completed).await;
    stage.submit("T", 3).await;
    let fetched = stage.fetch("w", 2).await;
    stage.settle("w", &fetched[..1], FactKind::Completed).await;
    let read = stage.store.read_events(&name("p"), 100, Duration::from_millis(100)).await.expect("entries");
    stage.store.fold(&name("p"), TTL, &read).await.expect("counts");
    let report = look(&stage).await;
    assert!(report.is_clean(), "{report}");
    stage
}

pub async fn look(stage: &Stage) -> Report {
    audit(&stage.store, Duration::ZERO).await.expect("a report")
}

/// What the audit names, as law, task and index.
pub async fn named(stage: &Stage) -> Vec<String> {
    let report = look(stage).await;
    let word = |law: Law, task: String, index: String| [law.as_str().to_owned(), task, index].join(" ");
    let mut names: Vec<String> = report
        .violations
        .iter()
        .map(|found| {
            let task = found.task_id.as_ref().map_or("-".to_owned(), ToString::to_string);
            word(found.law, task, found.index.map_or("-".to_owned(), |index| index.to_string()))
        })
        .collect();
    names.sort();
    names
}

fn entry_at(stage: &Stage, place: usize) -> String {
    stage.command(&format!("XRANGE {MEDIUM} - +")).items()[place].items()[0].text()
}

#[tokio::test]
async fn token_missing_is_a_subtask_whose_waiting_entry_was_deleted() {
    let stage = sound().await;
    stage.command(&format!("XDEL {MEDIUM} {}", entry_at(&stage, 1)));
    assert_eq!(named(&stage).await, ["token_missing T 2"]);
}

#[tokio::test]
async fn token_missing_is_a_subtask_whose_unfolded_fact_was_trimmed() {
    let stage = sound().await;
    let fetched = stage.fetch("w", 1).await;
    stage.settle("w", &fetched, FactKind::Completed).await;
    assert!(look(&stage).await.is_clean(), "an unfolded fact is a token");
    stage.command("XTRIM events MAXLEN 0");
    assert_eq!(named(&stage).await, ["token_missing T 2"]);
}

#[tokio::test]
async fn token_doubled_is_a_subtask_that_someone_added_again() {
    let stage = sound().await;
    stage.command(&format!("XADD {MEDIUM} * task_id T subtask_id T-2 description again"));
    assert_eq!(named(&stage).await, ["token_doubled T 2"]);
}

#[tokio::test]
async fn token_doubled_is_an_entry_beside_an_unfolded_fact_of_the_same_subtask() {
    let stage = sound().await;
    stage.words(&["XADD", "events", "*", "v", "1", "by", "w", "facts", "T 2 0 completed 1 0 w 5"]);
    assert_eq!(named(&stage).await, ["token_doubled T 2"]);
}

#[tokio::test]
async fn token_after_record_is_an_entry_of_what_has_ended_unless_it_was_cancelled() {
    let stage = sound().await;
    stage.command(&format!("XADD {MEDIUM} * task_id T subtask_id T-0 description again"));
    assert_eq!(named(&stage).await, ["token_after_record T 0"]);
    stage.words(&["HSET", "outcomes:T", "0", "cancelled 1 0 5"]);
    stage.command("HSET task:T completed 0 cancelled 1");
    assert_eq!(named(&stage).await, [""; 0], "one is tolerated after a cancel");
    stage.command(&format!("XADD {MEDIUM} * task_id T subtask_id T-0 description again"));
    assert_eq!(named(&stage).await, ["token_after_record T 0"]);
}

#[tokio::test]
async fn counters_disagree_when_a_record_is_not_counted() {
    let stage = sound().await;
    stage.command("HSET task:T failed 1");
    assert_eq!(named(&stage).await, ["counters_disagree T -"]);
}

#[tokio::test]
async fn sum_exceeds_total_when_something_was_counted_twice() {
    let stage = sound().await;
    stage.command("HINCRBY task:D completed 1");
    assert_eq!(named(&stage).await, ["counters_disagree D -", "sum_exceeds_total D -"]);
}

#[tokio::test]
async fn status_disagrees_when_it_does_not_follow_from_the_counters() {
    let stage = sound().await;
    for (change, restore) in [
        ("HSET task:T status queued", "HSET task:T status processing"),
        ("HSET task:D status failed", "HSET task:D status completed"),
        ("HSET task:T finished_at 5", "HDEL task:T finished_at"),
    ] {
        stage.command(change);
        let names = named(&stage).await;
        assert!(names.iter().any(|name| name.starts_with("status_disagrees ")), "{change}: {names:?}");
        stage.command(restore);
        assert!(look(&stage).await.is_clean());
    }
}

#[tokio::test]
async fn index_disagrees_when_a_task_is_listed_wrongly_twice_or_without_an_end() {
    let stage = sound().await;
    for (change, restore) in [
        ("ZREM tasks:processing T", "ZADD tasks:processing 1 T"),
        ("ZADD tasks:completed 1 T", "ZREM tasks:completed T"),
        ("ZREM lifetimes T", "ZADD lifetimes 99999999999999 T"),
    ] {
        stage.command(change);
        assert_eq!(named(&stage).await, ["index_disagrees T -"], "{change}");
        stage.command(restore);
        assert!(look(&stage).await.is_clean());
    }
}

#[tokio::test]
async fn orphan_entry_is_what_delconsumer_by_hand_leaves() {
    let stage = sound().await;
    stage.command(&format!("XGROUP DELCONSUMER {MEDIUM} workers w"));
    assert_eq!(named(&stage).await, ["orphan_entry T 1"]);
    assert!(look(&stage).await.to_string().contains(&entry_at(&stage, 0)), "it says which entry");
}

#[tokio::test]
async fn ghost_pending_is_an_entry_deleted_while_a_worker_held_it() {
    let stage = sound().await;
    stage.command(&format!("XDEL {MEDIUM} {}", entry_at(&stage, 0)));
    assert_eq!(named(&stage).await, ["ghost_pending - -", "token_missing T 1"]);
}

#[tokio::test]
async fn ghost_pending_is_an_entry_of_the_log_deleted_while_a_projector_held_it() {
    let stage = sound().await;
    stage.submit("U", 1).await;
    let read = stage.store.read_events(&name("p"), 1, Duration::from_millis(100)).await.expect("an entry");
    stage.command(&format!("XDEL events {}", read[0].entry_id));
    assert_eq!(named(&stage).await, ["ghost_pending - -"]);
}

#[tokio::test]
async fn record_unreadable_is_a_field_that_is_no_record() {
    let stage = sound().await;
    for field in ["1", "~1", "7", "word"] {
        stage.words(&["HSET", "outcomes:T", field, "nonsense"]);
        let names = named(&stage).await;
        assert!(names.iter().any(|name| name.starts_with("record_unreadable T ")), "{field}: {names:?}");
        stage.words(&["HDEL", "outcomes:T", field]);
    }
    assert!(look(&stage).await.is_clean());
}

#[tokio::test]
async fn task_unreadable_is_a_hash_that_is_damaged_missing_or_of_another_type() {
    let stage = sound().await;
    for change in ["HSET task:D total 9", "HDEL task:D door", "DEL task:D", "SET task:D text"] {
        stage.command(change);
        assert_eq!(named(&stage).await, ["task_unreadable D -"], "{change}");
    }
}

#[tokio::test]
async fn every_law_is_broken_in_these_files() {
    let text = [include_str!("audit_laws.rs"), include_str!("audit_waiting.rs")].concat();
    for law in Law::ALL {
        assert!(text.contains(&format!("fn {}_", law.as_str())), "{law}");
        assert!(!law.sentence().is_empty());
    }
}

#[tokio::test]
async fn what_two_looks_find_at_two_revisions_is_not_reported() {
    let stage = sound().await;
    stage.command("HSET task:T failed 1");
    let changing = async {
        loop {
            stage.command("HINCRBY task:T revision 1");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let auditing = audit(&stage.store, Duration::from_millis(100));
    tokio::select! {
        () = changing => {}
        report = auditing => assert!(report.expect("a report").is_clean()),
    }
    assert_eq!(named(&stage).await, ["counters_disagree T -"], "but it is once the task rests");
}
