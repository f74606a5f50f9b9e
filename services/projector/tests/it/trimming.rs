//! The log is kept short, and never too short.

use crate::stage::{SOON, Stage, config, eventually, name, stage};
use projector::Config;
use proto_schemas::TaskStatus;
use std::time::Duration;

/// One entry a node, so that a trim is exact; and nothing is kept for its age.
async fn log_of(entries: usize) -> (Stage, Config) {
    let stage = stage().await;
    stage.command("CONFIG SET stream-node-max-entries 1");
    for no in 0..entries {
        stage.words(&[
            "XADD",
            "events",
            &format!("{}-0", no + 1),
            "v",
            "1",
            "by",
            "w",
            "facts",
            "T - 0 created 0 0 w 1",
        ]);
    }
    (stage, Config { events_retention: Duration::ZERO, ..config("p") })
}

async fn until_length(stage: &Stage, length: i64) {
    eventually(SOON, &format!("{length} entries are left"), async || {
        (stage.command("XLEN events").integer() == length).then_some(())
    })
    .await;
}

/// Waits until a trimmer has looked at the log twice more.
async fn two_more_rounds(stage: &Stage) {
    let before = stage.calls("xtrim");
    eventually(SOON, "two more rounds", async || (stage.calls("xtrim") >= before + 2).then_some(())).await;
}

#[tokio::test]
async fn what_every_group_has_acknowledged_goes_and_the_newest_stays() {
    let (stage, config) = log_of(300).await;
    let _running = stage.start(config);
    until_length(&stage, 1).await;
}

#[tokio::test]
async fn an_entry_that_a_group_has_not_read_stays() {
    let (stage, config) = log_of(300).await;
    stage.command("XGROUP CREATE events archive 0");
    stage.command("XREADGROUP GROUP archive a COUNT 100 NOACK STREAMS events >");
    let _running = stage.start(config);
    until_length(&stage, 201).await;
    two_more_rounds(&stage).await;
    assert_eq!(stage.command("XRANGE events - + COUNT 1").items()[0].items()[0].text(), "100-0");
}

#[tokio::test]
async fn an_entry_that_a_group_has_read_and_not_acknowledged_stays() {
    let (stage, config) = log_of(300).await;
    stage.command("XGROUP CREATE events archive 0");
    stage.command("XREADGROUP GROUP archive a COUNT 300 STREAMS events >");
    stage.command("XACK events archive 1-0 2-0 3-0 5-0");
    let _running = stage.start(config);
    until_length(&stage, 297).await;
    two_more_rounds(&stage).await;
    assert_eq!(stage.command("XRANGE events - + COUNT 1").items()[0].items()[0].text(), "4-0");
    let claimed = stage.command("XREADGROUP GROUP archive a COUNT 300 STREAMS events 0");
    assert_eq!(claimed.items()[0].items()[1].items().len(), 296, "every pending entry still has its fields");
}

#[tokio::test]
async fn while_a_group_that_meta_names_is_missing_nothing_goes() {
    let (stage, config) = log_of(300).await;
    stage.command("HSET meta groups projector,archive");
    let _running = stage.start(config);
    stage.until_folded().await;
    eventually(SOON, "the trimmer has looked", async || {
        stage.command("INFO commandstats").text().contains("cmdstat_memory|usage:").then_some(())
    })
    .await;
    assert_eq!(stage.command("XLEN events").integer(), 300);
    stage.command("XGROUP CREATE events archive 50-0");
    until_length(&stage, 251).await;
}

#[tokio::test]
async fn young_entries_stay_until_the_log_takes_too_many_bytes() {
    let stage = stage().await;
    stage.command("CONFIG SET stream-node-max-entries 1");
    for _ in 0..500 {
        stage.command("XADD events * v 1 by w facts T");
    }
    let (_, bytes) = stage.store.event_log_size().await.expect("a size");
    let running = stage.start(config("p"));
    stage.until_folded().await;
    two_more_rounds(&stage).await;
    assert_eq!(stage.command("XLEN events").integer(), 500, "within the hour");
    running.stop().await;
    let _running = stage.start(Config { events_bytes_max: bytes / 2, ..config("p2") });
    eventually(SOON, "the log is within its bytes", async || {
        let (_, now) = stage.store.event_log_size().await.expect("a size");
        (now <= bytes / 2).then_some(())
    })
    .await;
    two_more_rounds(&stage).await;
    let left = stage.command("XLEN events").integer();
    assert!((100..=300).contains(&left), "it keeps what fits: {left}");
}

#[tokio::test]
async fn out_of_memory_it_starts_folds_and_keeps_only_the_unacknowledged() {
    let stage = stage().await;
    stage.command("CONFIG SET stream-node-max-entries 1");
    for no in 0..50 {
        stage.submit(&format!("T{no}"), 4).await;
        stage.complete_all().await;
    }
    stage.store.read_events(&name("slow"), 1, Duration::from_millis(100)).await.expect("an entry");
    stage.command("CONFIG SET maxmemory 1mb");
    let refused = stage.redis.command(&["SET", "k", "v"]).text();
    assert!(refused.starts_with("OOM"), "{refused}");
    let _running = stage.start(Config { claim_idle: Duration::from_secs(3_600), ..config("p") });
    for no in 0..50 {
        stage.until(&format!("T{no}"), TaskStatus::Completed).await;
    }
    two_more_rounds(&stage).await;
    assert_eq!(stage.command("XLEN events").integer(), 100, "the oldest is held");
    let held = stage.command("XPENDING events projector").items()[1].text();
    stage.command(&format!("XACK events projector {held}"));
    until_length(&stage, 1).await;
}
