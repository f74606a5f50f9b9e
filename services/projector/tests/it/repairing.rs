//! What a hand broke is mended, once, and nothing else is touched.

use crate::audit_laws::{look, named};
use crate::stage::{MEDIUM, SOON, Stage, TTL, config, eventually, name, stage};
use projector::repair;
use projector::repair::report::{Deed, RepairReport};
use proto_schemas::{FactKind, TaskStatus};
use redis_store::submit::{Admission, Start, Submission};
use std::time::Duration;

pub async fn mend(stage: &Stage) -> RepairReport {
    repair(&stage.store, &name("operator"), TTL, Duration::ZERO).await.expect("a report")
}

/// Mends everything, with these deeds in any order, and finds nothing to do the second time.
pub async fn mends(stage: &Stage, expected: &[Deed]) -> RepairReport {
    let report = mend(stage).await;
    assert!(report.is_clean(), "{report}");
    let words = |deeds: &mut dyn Iterator<Item = Deed>| -> Vec<String> {
        let mut words: Vec<String> = deeds.map(|deed| deed.to_string()).collect();
        words.sort();
        words
    };
    let deeds = words(&mut report.repairs.iter().map(|repair| repair.deed));
    assert_eq!(deeds, words(&mut expected.iter().copied()), "{report}");
    assert!(mend(stage).await.repairs.is_empty(), "a second time there is nothing to do");
    report
}

/// Task `T` of three: the first has ended, the second runs, the third waits.
async fn sound() -> Stage {
    let stage = stage().await;
    stage.submit("T", 3).await;
    let fetched = stage.fetch("w", 2).await;
    stage.settle("w", &fetched[..1], FactKind::Completed).await;
    stage.fold().await;
    assert!(look(&stage).await.is_clean());
    stage
}

/// Works until the task has ended.
pub async fn finish(stage: &Stage, task: &str) -> TaskStatus {
    let _running = stage.start(config("p"));
    eventually(SOON, &format!("{task} ends"), async || {
        stage.complete_all().await;
        Some(stage.task(task).await.status).filter(|status| status.is_terminal())
    })
    .await
}

fn entries(stage: &Stage) -> Vec<String> {
    let reply = stage.command(&format!("XRANGE {MEDIUM} - +"));
    reply.items().iter().map(|entry| entry.items()[1].items()[5].text()).collect()
}

#[tokio::test]
async fn sound_books_are_left_alone() {
    let stage = sound().await;
    let before = (stage.hash("task:T"), stage.hash("outcomes:T"), stage.command("XLEN events"));
    mends(&stage, &[]).await;
    assert_eq!((stage.hash("task:T"), stage.hash("outcomes:T"), stage.command("XLEN events")), before);
}

#[tokio::test]
async fn an_entry_that_nobody_will_read_is_added_again_without_an_attempt() {
    let stage = sound().await;
    stage.command(&format!("XGROUP DELCONSUMER {MEDIUM} workers w"));
    assert_eq!(named(&stage).await, ["orphan_entry T 1"]);
    mends(&stage, &[Deed::AddedAgain]).await;
    assert_eq!(entries(&stage), ["T-2", "T-1"]);
    let again = stage.fetch("w", 2).await.pop().expect("it").entry.expect("sound");
    assert_eq!((again.index, again.attempt, again.crashes), (1, 1, 0));
}

#[tokio::test]
async fn a_ghost_is_acknowledged_and_what_it_was_is_added_again() {
    let stage = sound().await;
    let held = stage.command(&format!("XPENDING {MEDIUM} workers - + 1")).items()[0].items()[0].text();
    stage.command(&format!("XDEL {MEDIUM} {held}"));
    stage.submit("U", 1).await;
    let read = stage.store.read_events(&name("p"), 1, Duration::from_millis(100)).await.expect("an entry");
    stage.command(&format!("XDEL events {}", read[0].entry_id));
    mends(&stage, &[Deed::Acknowledged, Deed::Acknowledged, Deed::Recounted, Deed::AddedAgain]).await;
    assert_eq!(stage.command(&format!("XPENDING {MEDIUM} workers")).items()[0].integer(), 0);
    assert_eq!(finish(&stage, "T").await, TaskStatus::Completed);
}

#[tokio::test]
async fn a_subtask_without_a_token_runs_again_from_its_definition_at_the_attempt_that_was_told() {
    let stage = sound().await;
    let fetched = stage.fetch("w", 1).await;
    stage.retry("w", &fetched, Duration::from_secs(3_600)).await;
    stage.fold().await;
    stage.command("DEL delayed delayed:body");
    assert_eq!(named(&stage).await, ["token_missing T 2"]);
    mends(&stage, &[Deed::Recounted, Deed::AddedAgain]).await;
    let again = stage.fetch("w", 1).await.pop().expect("it").entry.expect("sound");
    assert_eq!((again.index, again.attempt, again.description.as_str()), (2, 2, "step 2"));
}

#[tokio::test]
async fn what_was_to_start_later_still_starts_later() {
    let stage = stage().await;
    let subtasks = vec![crate::stage::definition("later")];
    let submission = Submission {
        start: Start::After(Duration::from_secs(3_600)),
        deadline: Some(Duration::from_secs(60)),
        ..Submission::new(crate::stage::id("L"), name("api"), "a task".to_owned(), subtasks)
    };
    let admission = Admission { backlog_max: 10, deadline: TTL };
    stage.store.submit(&submission, admission).await.expect("an answer");
    let due = stage.command("ZSCORE delayed L-0").text();
    let body = stage.command("HGET delayed:body L-0").text();
    stage.command("DEL delayed delayed:body");
    mends(&stage, &[Deed::Recounted, Deed::AddedAgain]).await;
    assert_eq!(stage.command("ZSCORE delayed L-0").text(), due);
    let parts = |text: &str| serde_json::from_str::<Vec<String>>(text).expect("a list");
    assert_eq!(parts(&stage.command("HGET delayed:body L-0").text()), parts(&body));
    assert_eq!(stage.command(&format!("XLEN {MEDIUM}")).integer(), 0);
}

#[tokio::test]
async fn a_lost_record_comes_back_from_the_log_instead_of_a_second_run() {
    let stage = sound().await;
    stage.command("DEL outcomes:T");
    assert_eq!(named(&stage).await, ["counters_disagree T -", "token_missing T 0"]);
    mends(&stage, &[Deed::Recounted, Deed::Recounted]).await;
    assert!(stage.command("HGET outcomes:T 0").text().starts_with("completed 1 0 "));
    assert_eq!(entries(&stage), ["T-1", "T-2"]);
}

#[tokio::test]
async fn numbers_status_indexes_and_lives_follow_from_the_records_again() {
    let stage = sound().await;
    let before = (stage.hash("task:T"), stage.command("ZSCORE lifetimes T").text());
    stage.command("HSET task:T completed 3 failed 1 status completed finished_at 5");
    stage.command("ZADD tasks:failed 1 T");
    stage.command("ZREM lifetimes T");
    let report = mend(&stage).await;
    assert!(report.is_clean() && report.repairs.iter().all(|repair| repair.deed == Deed::Recounted), "{report}");
    let without_revision = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| !line.starts_with("revision=")).collect()
    };
    let after = (without_revision(stage.hash("task:T")), stage.command("ZSCORE lifetimes T").text());
    assert_eq!(after, (without_revision(before.0), before.1));
}

#[tokio::test]
async fn what_is_nobodys_token_leaves_delayed_and_its_bytes_are_kept() {
    let stage = sound().await;
    stage.command("ZADD delayed 99999999999999 T-9 99999999999999 X-0 99999999999999 T-0");
    stage.words(&["HSET", "delayed:body", "X-0", "nonsense"]);
    let fields = ["default", "task_id", "T", "subtask_id", "T-0", "description", "d"];
    stage.words(&["HSET", "delayed:body", "T-0", &serde_json::to_string(&fields).expect("JSON")]);
    mends(&stage, &[Deed::Removed, Deed::Removed, Deed::Removed]).await;
    assert_eq!(stage.command("EXISTS delayed delayed:body").integer(), 0);
    let letters = stage.command("XRANGE dead-letters - +");
    assert_eq!(letters.items().len(), 1);
    assert_eq!(letters.items()[0].items()[1].items().last().expect("a body").text(), "nonsense");
}

#[tokio::test]
async fn doubled_and_late_tokens_are_left_to_the_fence_and_said_so() {
    let stage = sound().await;
    stage.command(&format!("XADD {MEDIUM} * task_id T subtask_id T-2 description again"));
    stage.command(&format!("XADD {MEDIUM} * task_id T subtask_id T-0 description again"));
    stage.words(&["HSET", "outcomes:T", "~1", "nonsense"]);
    let report = mend(&stage).await;
    let mut deeds: Vec<String> =
        report.repairs.iter().map(|repair| format!("{} {}", repair.violation.law, repair.deed)).collect();
    deeds.sort();
    let expected = [
        "record_unreadable left to a person",
        "token_after_record left to the fence",
        "token_doubled left to the fence",
    ];
    assert_eq!(deeds, expected);
    assert!(!report.is_clean() && report.to_string().contains("left to the fence: token_doubled task T subtask 2"));
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(
        (json["repairs"].as_array().map(Vec::len), json["violations"].as_array().map(Vec::len)),
        (Some(3), Some(3))
    );
    stage.words(&["HDEL", "outcomes:T", "~1"]);
    stage.command(&format!("XGROUP DELCONSUMER {MEDIUM} workers w")); // T-1 ran there
    mend(&stage).await;
    assert_eq!(finish(&stage, "T").await, TaskStatus::Completed);
    assert!(look(&stage).await.is_clean(), "the fence has done it");
}

#[tokio::test]
async fn two_repairs_at_once_add_one_token() {
    for _ in 0..5 {
        let stage = sound().await;
        stage.command(&format!("XGROUP DELCONSUMER {MEDIUM} workers w"));
        let waiting = stage.command(&format!("XRANGE {MEDIUM} - +")).items()[1].items()[0].text();
        stage.command(&format!("XDEL {MEDIUM} {waiting}"));
        tokio::join!(mend(&stage), mend(&stage), mend(&stage));
        let mut found = entries(&stage);
        found.sort();
        assert_eq!(found, ["T-1", "T-2"]);
        let report = mend(&stage).await;
        assert!(report.is_clean(), "{report}");
    }
}

#[tokio::test]
async fn a_generation_that_was_lost_is_opened_again() {
    let stage = stage().await;
    stage.submit("G", 1).await;
    let fetched = stage.fetch("w", 1).await;
    stage.settle("w", &fetched, FactKind::Failed).await;
    stage.fold().await;
    stage.requeue("G", 0, 0).await;
    stage.command("DEL outcomes:G");
    stage.command("HDEL task:G generations");
    let report = mend(&stage).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(stage.command("HGET outcomes:G g:0").text(), "1");
    assert_eq!(finish(&stage, "G").await, TaskStatus::Completed);
}
