//! Telling the log what has been running for a while.

use crate::stage::{Stage, name, refuses_other_types, stage};
use crate::state::NOTHING;
use proto_schemas::{Fact, FactKind};
use redis_store::StoreError;

async fn started(stage: &Stage, count: usize) -> Vec<Fact> {
    stage.submit("T", count).await;
    stage.fetch("w", count).await;
    let fact = |index| Fact::decode(&format!("T {index} 0 started 1 0 w 0")).expect("a fact");
    (0..count).map(fact).collect()
}

#[tokio::test]
async fn one_entry_tells_of_all_attempts_with_the_time_of_redis() {
    let stage = stage().await;
    let facts = started(&stage, 2).await;
    let before = stage.story();
    stage.store.start(&name("w"), &facts).await.unwrap();
    assert_eq!(stage.since(&before), ["+ events: ID v=1 by=w facts=T 0 0 started 1 0 w MS\\nT 1 0 started 1 0 w MS"]);
    let events = stage.events().await;
    let told = events[1].lines[0].as_ref().unwrap();
    assert_eq!(told.kind, FactKind::Started);
    let (entry_ms, _) = events[1].entry_id.split_once('-').unwrap();
    assert!(entry_ms.parse::<u64>().unwrap().abs_diff(told.at_ms) < 1_000, "the clock that gave the entry its id");
}

#[tokio::test]
async fn nothing_to_tell_writes_nothing() {
    let stage = stage().await;
    let before = stage.exact();
    stage.store.start(&name("w"), &[]).await.unwrap();
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn told_twice_or_after_the_end_it_changes_no_outcome() {
    let stage = stage().await;
    let facts = started(&stage, 1).await;
    for _ in 0..2 {
        stage.store.start(&name("w"), &facts).await.unwrap();
    }
    let counts = stage.fold(&["T 0 0 completed 1 0 w 9999999999999"]).await;
    assert_eq!((counts.progressed, counts.counted), (2, 1));
    let before = stage.story();
    stage.store.start(&name("w"), &facts).await.unwrap();
    assert_eq!(stage.fold(&[]).await.duplicate, 1);
    assert_eq!(stage.since(&before), ["+ events: ID v=1 by=w facts=T 0 0 started 1 0 w MS"]);
}

#[tokio::test]
async fn without_memory_a_start_is_refused_whole() {
    let stage = stage().await;
    let facts = started(&stage, 1).await;
    let before = stage.story();
    stage.out_of_memory();
    assert!(matches!(stage.store.start(&name("w"), &facts).await, Err(StoreError::OutOfMemory(_))));
    assert_eq!(stage.since(&before), NOTHING);
}

#[tokio::test]
async fn a_log_of_another_type_and_a_forgotten_script_do_no_harm() {
    let stage = stage().await;
    let facts = started(&stage, 1).await;
    refuses_other_types(&stage, &["events"], async || stage.store.start(&name("w"), &facts).await).await;
    stage.raw(&["SCRIPT", "FLUSH"]);
    stage.store.start(&name("w"), &facts).await.unwrap();
    assert_eq!(stage.facts().len(), 3);
}

#[tokio::test]
async fn many_facts_come_in_entries_of_128() {
    let stage = stage().await;
    let facts = started(&stage, 129).await;
    stage.store.start(&name("w"), &facts).await.unwrap();
    assert_eq!((stage.raw(&["XLEN", "events"]).integer(), stage.facts().len()), (3, 130));
}
