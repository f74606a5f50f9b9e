//! Counting again gives what the folds gave.

use crate::stage::{Stage, TTL, config, fact, id, name, stage};
use projector::rebuild;
use proto_schemas::{FactKind, TaskId, TaskStatus};
use redis_store::cancel::{CancelOrder, Cancelled};

/// Five tasks, all folded: `A` completed, `B` failed, `C` half done with one running; `D` failed, ran again and is to
/// run a third time; `E` was cancelled while the end of one subtask was on its way.
async fn history() -> Stage {
    let stage = stage().await;
    let running = stage.start(config("p"));
    for (task, count) in [("A", 3), ("B", 2), ("C", 4)] {
        stage.submit(task, count).await;
    }
    let fetched = stage.fetch("w", 100).await;
    let of = |task: &str| -> Vec<_> {
        let is_its = |entry: &&redis_store::fetch::Fetched| {
            entry.entry.as_ref().is_ok_and(|entry| entry.task_id.as_str() == task)
        };
        fetched.iter().filter(is_its).cloned().collect()
    };
    stage.store.start(&name("w"), &[fact("B", 1, "w", FactKind::Started)]).await.expect("started");
    stage.settle("w", &of("A"), FactKind::Completed).await;
    stage.settle("w", &of("B")[..1], FactKind::Completed).await;
    stage.settle("w", &of("B")[1..], FactKind::Failed).await;
    stage.settle("w", &of("C")[..1], FactKind::Completed).await;
    stage.store.start(&name("w"), &[fact("C", 2, "w", FactKind::Started)]).await.expect("started");
    stage.until_folded().await;
    for (generation, kind) in [(0, FactKind::Failed), (1, FactKind::Completed)] {
        if generation == 0 {
            stage.submit("D", 1).await;
        }
        let fetched = stage.fetch("w", 1).await;
        stage.settle("w", &fetched, kind).await;
        stage.until_folded().await;
        stage.requeue("D", 0, generation).await;
    }
    stage.until_folded().await;
    running.stop().await;
    cancel_under_way(&stage).await;
    stage
}

/// The log says first that 1 completed and then that it was cancelled; the cancel came first into the books.
async fn cancel_under_way(stage: &Stage) {
    stage.submit("E", 4).await;
    let fetched = stage.fetch("w", 100).await;
    let its: Vec<_> =
        fetched.into_iter().filter(|it| it.entry.as_ref().is_ok_and(|it| it.task_id == id("E"))).collect();
    stage.settle("w", &its[..1], FactKind::Completed).await;
    stage.fold().await;
    stage.settle("w", &its[1..2], FactKind::Completed).await;
    let order = CancelOrder { reason: None, task_ttl: TTL, only_past: false, if_revision: None };
    assert!(matches!(
        stage.store.cancel(&name("api"), &id("E"), &order).await.expect("an answer"),
        Cancelled::Cancelled(3, Some(_))
    ));
    stage.fold().await;
}

/// Everything of the tasks but the revision.
fn documents(stage: &Stage) -> Vec<String> {
    let mut lines = Vec::new();
    for task in ["A", "B", "C", "D", "E"] {
        let hash = stage.hash(&format!("task:{task}"));
        lines.extend(hash.into_iter().filter(|line| !line.starts_with("revision=")));
        lines.extend(stage.hash(&format!("outcomes:{task}")));
    }
    for index in ["lifetimes", "tasks:queued", "tasks:processing", "tasks:completed", "tasks:failed", "tasks:cancelled"]
    {
        lines.push(format!("{index} {:?}", stage.command(&format!("ZRANGE {index} 0 -1 WITHSCORES"))));
    }
    lines
}

fn scramble(stage: &Stage) {
    stage.command("HSET task:A completed 1 failed 7 status processing updated_at 1 outcome_at 1");
    stage.command("HDEL task:A finished_at");
    stage.command("ZREM tasks:completed A");
    stage.command("ZADD tasks:queued 1 A");
    stage.command("ZREM lifetimes A B C");
    stage.command("HSET task:B status completed cancelled 2 updated_at 99999 finished_at 3");
    stage.command("HSET task:C status failed completed 4 finished_at 3");
    stage.command("HSET task:D status completed completed 1");
    stage.command("HDEL task:D generations");
    stage.command("HSET task:E status queued completed 2 cancelled 0 finished_at 3");
}

async fn rebuild_all(stage: &Stage, only: Option<TaskId>) -> projector::rebuild::RebuildReport {
    rebuild(&stage.store, &name("r"), TTL, only).await.expect("a report")
}

#[tokio::test]
async fn scrambled_counters_statuses_and_times_come_back_from_records_and_log() {
    let stage = history().await;
    let right = documents(&stage);
    scramble(&stage);
    assert_ne!(documents(&stage), right);
    let report = rebuild_all(&stage, None).await;
    assert_eq!(documents(&stage), right);
    assert_eq!((report.tasks, report.gone, report.counts.counted, report.reopened), (5, 0, 0, 0));
    rebuild_all(&stage, None).await;
    assert_eq!(documents(&stage), right, "a second time changes nothing");
}

#[tokio::test]
async fn lost_records_come_back_from_the_log() {
    let stage = history().await;
    let right = documents(&stage);
    stage.command("DEL outcomes:A outcomes:B outcomes:C outcomes:D outcomes:E");
    scramble(&stage);
    let report = rebuild_all(&stage, None).await;
    assert_eq!((report.counts.counted, report.reopened), (10, 1), "D has none that counts");
    assert_eq!(documents(&stage), right);
    rebuild_all(&stage, None).await;
    assert_eq!(documents(&stage), right, "a second time changes nothing");
}

#[tokio::test]
async fn what_was_cancelled_is_cancelled_again_though_the_log_tells_of_another_end_first() {
    let stage = history().await;
    let records = ["0", "1", "2", "3"].map(|index| stage.command(&format!("HGET outcomes:E {index}")).text());
    assert!(records[0].starts_with("completed") && records[1..].iter().all(|it| it.starts_with("cancelled")));
    stage.command("DEL outcomes:E");
    rebuild_all(&stage, Some(id("E"))).await;
    assert_eq!(["0", "1", "2", "3"].map(|index| stage.command(&format!("HGET outcomes:E {index}")).text()), records);
}

#[tokio::test]
async fn one_task_is_rebuilt_without_the_others() {
    let stage = history().await;
    let right = stage.task("A").await;
    scramble(&stage);
    let others = (stage.hash("task:B"), stage.hash("task:C"));
    let report = rebuild_all(&stage, Some(id("A"))).await;
    let task = stage.task("A").await;
    assert_eq!((task.status, task.completed, task.updated_at_ms), (right.status, 3, right.updated_at_ms));
    assert_eq!((stage.hash("task:B"), stage.hash("task:C"), report.tasks), (others.0, others.1, 1));
    assert_eq!(rebuild_all(&stage, Some(id("none"))).await.gone, 1);
}

#[tokio::test]
async fn it_acknowledges_nothing_and_is_safe_beside_live_projectors() {
    let stage = stage().await;
    stage.submit("idle", 2).await;
    stage.complete_all().await;
    rebuild_all(&stage, None).await;
    let group = &stage.store.event_groups().await.expect("groups")[0];
    assert_eq!((group.last_delivered_id.as_str(), group.pending), ("0-0", 0), "the projectors still get all of it");

    let _running = [stage.start(config("p1")), stage.start(config("p2"))];
    let working = async {
        for no in 0..30 {
            stage.submit(&format!("T{no}"), 20).await;
            stage.complete_all().await;
        }
    };
    let rebuilding = async {
        for _ in 0..5 {
            rebuild_all(&stage, None).await;
        }
    };
    tokio::join!(working, rebuilding);
    stage.until_folded().await;
    for no in 0..30 {
        let task = stage.task(&format!("T{no}")).await;
        assert_eq!((task.status, task.completed), (TaskStatus::Completed, 20), "T{no}");
    }
}
