//! Removing the consumers of dead workers and projectors.

use crate::stage::{MEDIUM, Stage, name, stage};
use redis_store::StoreError;
use redis_store::collect_consumer::Collected;
use redis_store::heartbeat::Heartbeat;
use system_tests::redis::Reply;

async fn collect(stage: &Stage) -> Result<Collected, StoreError> {
    stage.store.collect_consumer(&name("w"), std::slice::from_ref(&stage.queue)).await
}

/// Streams of the default queue that know `consumer`.
fn known(stage: &Stage, consumer: &str) -> Vec<String> {
    let knows = |priority: &&str| {
        let rows = stage.raw(&["XINFO", "CONSUMERS", &format!("subtasks:default:{priority}"), "workers"]);
        rows.items().iter().any(|row| row.items()[1].text() == consumer)
    };
    ["critical", "high", "medium", "low"].into_iter().filter(knows).map(str::to_owned).collect()
}

fn appear(stage: &Stage) {
    for priority in ["critical", "medium"] {
        stage.raw(&["XGROUP", "CREATECONSUMER", &format!("subtasks:default:{priority}"), "workers", "w"]);
    }
    stage.raw(&["ZADD", "workers", "5", "w"]);
}

#[tokio::test]
async fn a_consumer_without_heartbeat_and_entries_is_removed_from_every_stream() {
    let stage = stage().await;
    appear(&stage);
    stage.raw(&["XGROUP", "CREATECONSUMER", MEDIUM, "workers", "v"]);
    stage.raw(&["ZADD", "workers", "6", "v"]);
    for _ in 0..2 {
        assert_eq!(collect(&stage).await.unwrap(), Collected::Removed, "also when it is gone already");
        assert_eq!((known(&stage, "w").len(), known(&stage, "v")), (0, vec!["medium".to_owned()]));
        assert_eq!(stage.raw(&["ZRANGE", "workers", "0", "-1"]).items().len(), 1);
    }
}

#[tokio::test]
async fn a_consumer_that_beats_is_busy() {
    let stage = stage().await;
    appear(&stage);
    let (kinds, host) = ("simulate".to_owned(), "h".to_owned());
    let beat =
        Heartbeat { worker_id: "w".into(), host, pid: 7, kinds, slots: 4, running: 0, is_draining: false, at_ms: 5 };
    stage.store.beat(&name("w"), &beat).await.unwrap();
    assert!((1..=60).contains(&stage.raw(&["TTL", "worker:w"]).integer()));
    let before = stage.exact();
    assert_eq!(collect(&stage).await.unwrap(), Collected::Busy);
    assert_eq!((stage.exact(), known(&stage, "w").len()), (before, 2));
    assert_eq!(stage.store.silent_consumers(60_004).await.unwrap(), []);
    assert_eq!(stage.store.silent_consumers(60_005).await.unwrap(), [name("w")]);
    stage.store.leave(&name("w")).await.unwrap();
    assert_eq!(collect(&stage).await.unwrap(), Collected::Removed);
}

#[tokio::test]
async fn a_beat_that_was_cut_off_keeps_nobody_busy_and_goes_with_its_consumer() {
    let stage = stage().await;
    appear(&stage);
    stage.raw(&["HSET", "worker:w", "pid", "7"]);
    assert_eq!(collect(&stage).await.unwrap(), Collected::Removed);
    assert_eq!(stage.raw(&["EXISTS", "worker:w", "workers"]).integer(), 0);
}

#[tokio::test]
async fn a_consumer_that_holds_one_entry_anywhere_is_busy_and_loses_nothing() {
    let stage = stage().await;
    appear(&stage);
    let entry_id = stage.leave("w", &[b"a", b"b"]).await;
    let before = stage.exact();
    assert_eq!(collect(&stage).await.unwrap(), Collected::Busy);
    assert_eq!((stage.exact(), known(&stage, "w").len()), (before, 2));
    stage.raw(&["XDEL", MEDIUM, &entry_id]);
    assert_eq!(collect(&stage).await.unwrap(), Collected::Busy, "also a deleted entry is for reap to count");
    stage.raw(&["XACK", MEDIUM, "workers", &entry_id]);
    assert_eq!(collect(&stage).await.unwrap(), Collected::Removed);
}

#[tokio::test]
async fn a_key_of_another_type_leaves_the_consumer_everywhere() {
    let stage = stage().await;
    appear(&stage);
    let streams = ["critical", "high", "medium", "low"].map(|priority| format!("subtasks:default:{priority}"));
    for key in streams.iter().map(String::as_str).chain(["workers"]) {
        stage.raw(&["RENAME", key, "aside"]);
        stage.raw(&["SET", key, "of another type"]);
        let answer = collect(&stage).await;
        assert!(matches!(answer, Err(StoreError::WrongType(_))), "{key}: {answer:?}");
        stage.raw(&["DEL", key]);
        stage.raw(&["RENAME", "aside", key]);
        assert_eq!(known(&stage, "w"), ["critical", "medium"], "{key}");
    }
    assert_eq!(collect(&stage).await.unwrap(), Collected::Removed);
}

#[tokio::test]
async fn missing_streams_groups_and_scripts_are_no_hindrance() {
    let stage = stage().await;
    appear(&stage);
    stage.raw(&["DEL", "subtasks:default:critical"]);
    stage.raw(&["XGROUP", "DESTROY", "subtasks:default:low", "workers"]);
    stage.raw(&["SCRIPT", "FLUSH"]);
    stage.out_of_memory();
    assert_eq!(collect(&stage).await.unwrap(), Collected::Removed);
    assert_eq!(stage.raw(&["EXISTS", "subtasks:default:critical", "workers"]).integer(), 0);
    assert_eq!(stage.raw(&["XINFO", "CONSUMERS", MEDIUM, "workers"]), Reply::Array(Vec::new()));
}

#[tokio::test]
async fn a_projector_goes_once_it_holds_no_entry_of_the_log() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let events = stage.events().await;
    stage.raw(&["XGROUP", "CREATECONSUMER", "events", "projector", "a stranger's"]);
    let names =
        async || stage.store.projectors().await.unwrap().into_iter().map(|one| one.consumer).collect::<Vec<_>>();
    assert_eq!(names().await, [name("p")], "what no projector of ours is called is not ours to collect");
    assert_eq!(stage.store.collect_projector(&name("p")).await.unwrap(), Collected::Busy);
    stage.store.fold(&name("p"), crate::stage::TTL, &events).await.unwrap();
    assert_eq!(stage.store.collect_projector(&name("p")).await.unwrap(), Collected::Removed);
    assert_eq!(names().await, []);
}
