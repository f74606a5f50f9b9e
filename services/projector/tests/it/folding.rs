//! The path of an entry of the log, and what can happen to its reader.

use crate::stage::{SOON, config, eventually, fact, name, stage};
use proto_schemas::{FactKind, TaskStatus};
use std::time::Duration;

#[tokio::test]
async fn a_task_moves_from_queued_to_processing_to_completed() {
    let stage = stage().await;
    let running = stage.start(config("p"));
    stage.submit("T", 3).await;
    let fetched = stage.fetch("w", 3).await;
    stage.store.start(&name("w"), &[fact("T", 0, "w", FactKind::Started)]).await.expect("started");
    stage.until("T", TaskStatus::Processing).await;
    stage.settle("w", &fetched, FactKind::Completed).await;
    let task = stage.until("T", TaskStatus::Completed).await;
    assert_eq!((task.completed, task.finished_at_ms.is_some()), (3, true));
    stage.until_folded().await;
    drop(running);
}

#[tokio::test]
async fn two_projectors_in_parallel_count_once() {
    let stage = stage().await;
    let _running = [stage.start(config("p1")), stage.start(config("p2"))];
    for no in 0..40 {
        stage.submit(&format!("T{no}"), 25).await;
    }
    assert_eq!(stage.complete_all().await, 1_000);
    stage.until_folded().await;
    for no in 0..40 {
        let task = stage.task(&format!("T{no}")).await;
        assert_eq!((task.status, task.completed, task.failed), (TaskStatus::Completed, 25, 0), "T{no}");
    }
}

#[tokio::test]
async fn what_a_dead_projector_read_and_did_not_fold_another_folds() {
    let stage = stage().await;
    stage.submit("T", 5).await;
    stage.complete_all().await;
    let read = stage.store.read_events(&name("dead"), 10, Duration::from_millis(100)).await.expect("entries");
    assert_eq!(read.len(), 2);
    assert_eq!(stage.command("XPENDING events projector - + 10 dead").items().len(), 2, "the dead one holds both");
    let _running = stage.start(config("p"));
    stage.until("T", TaskStatus::Completed).await;
    stage.until_folded().await;
    // Its late fold, as a zombie would send it, changes nothing.
    let before = stage.hash("task:T");
    let counts = stage.store.fold(&name("dead"), crate::stage::TTL, &read).await.expect("counts").counts;
    assert_eq!((counts.counted, counts.duplicate, stage.hash("task:T")), (0, 5, before));
}

#[tokio::test]
async fn an_aborted_projector_loses_nothing() {
    let stage = stage().await;
    for round in 0..5 {
        let running = stage.start(config(&format!("p{round}")));
        stage.submit(&format!("T{round}"), 200).await;
        stage.complete_all().await;
        drop(running);
    }
    let _running = stage.start(config("last"));
    for round in 0..5 {
        assert_eq!(stage.until(&format!("T{round}"), TaskStatus::Completed).await.completed, 200);
    }
    stage.until_folded().await;
}

#[tokio::test]
async fn a_bad_line_goes_to_the_dead_letters_while_the_others_of_its_entry_fold() {
    let stage = stage().await;
    let _running = stage.start(config("p"));
    stage.submit("T", 2).await;
    stage.fetch("w", 2).await;
    let facts = "T 0 0 completed 1 0 w 5\nT 1 0 exploded 1 0 w 5\nT 1 0 completed 1 0 w 5";
    stage.words(&["XADD", "events", "*", "v", "1", "by", "w", "facts", facts]);
    stage.words(&["XADD", "events", "*", "not", "facts"]);
    stage.until("T", TaskStatus::Completed).await;
    stage.until_folded().await;
    let dead = stage.command("XRANGE dead-letters - +");
    let texts: Vec<String> = dead.items().iter().map(|entry| format!("{entry:?}")).collect();
    assert_eq!(texts.len(), 2);
    let line = |at: usize| dead.items()[at].items()[1].items().last().expect("a line").text();
    assert_eq!((line(0).as_str(), line(1).trim()), ("T 1 0 exploded 1 0 w 5", "not=facts"));
    assert_eq!(stage.command("XLEN events").integer(), 3, "the log itself keeps every entry");
}

#[tokio::test]
async fn a_group_that_vanished_is_made_again_and_nothing_counts_twice() {
    let stage = stage().await;
    let _running = stage.start(config("p"));
    stage.submit("T", 4).await;
    let fetched = stage.fetch("w", 4).await;
    stage.settle("w", &fetched[..3], FactKind::Completed).await;
    stage.until("T", TaskStatus::Processing).await;
    stage.command("XGROUP DESTROY events projector");
    stage.settle("w", &fetched[3..], FactKind::Failed).await;
    let task = stage.until("T", TaskStatus::Failed).await;
    assert_eq!((task.completed, task.failed), (3, 1));
}

#[tokio::test]
async fn it_survives_a_redis_that_dies_and_comes_back() {
    let mut stage = stage().await;
    let running = stage.start(config("p"));
    stage.submit("T", 1).await;
    stage.until_folded().await;
    stage.redis.restart().expect("a redis again, empty");
    eventually(SOON, "the group is there again", async || {
        let groups = stage.store.event_groups().await.ok()?;
        (!groups.is_empty()).then_some(())
    })
    .await;
    stage.store.create_worker_groups(&proto_schemas::QueueName::default_queue()).await.expect("groups");
    stage.submit("U", 1).await;
    stage.complete_all().await;
    stage.until("U", TaskStatus::Completed).await;
    assert!(running.pulse.age() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_pulse_beats_while_redis_answers_and_stops_with_it() {
    let mut stage = stage().await;
    let running = stage.start(config("p"));
    eventually(SOON, "a first beat", async || (running.pulse.age() < Duration::from_millis(100)).then_some(())).await;
    stage.redis.kill();
    // Longer than a read insists: its failure must not beat either.
    eventually(SOON, "no beat for 7 s", async || (running.pulse.age() > Duration::from_secs(7)).then_some(())).await;
    assert!(running.stop().await < Duration::from_secs(2), "it stops although redis is gone");
}

#[tokio::test]
async fn it_stops_within_two_seconds_and_takes_its_name_along() {
    let stage = stage().await;
    let running = stage.start(config("p"));
    stage.submit("T", 100).await;
    stage.complete_all().await;
    stage.until_folded().await;
    assert_eq!(stage.store.projectors().await.expect("projectors").len(), 1);
    assert!(running.stop().await < Duration::from_secs(2));
    assert_eq!(stage.store.projectors().await.expect("projectors"), []);
}
