//! Consumers of projectors that died.

use crate::stage::{SOON, config, eventually, name, stage};
use redis_store::collect_consumer::Collected;
use std::time::Duration;

#[tokio::test]
async fn a_consumer_that_holds_entries_stays_until_another_has_folded_them() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.store.read_events(&name("dead"), 10, Duration::from_millis(100)).await.expect("an entry");
    assert_eq!(stage.store.collect_projector(&name("dead")).await.expect("an answer"), Collected::Busy);
    let _running = stage.start(config("p"));
    stage.until_folded().await;
    assert_eq!(stage.store.collect_projector(&name("dead")).await.expect("an answer"), Collected::Removed);
    assert_eq!(stage.store.collect_projector(&name("dead")).await.expect("an answer"), Collected::Removed);
}

#[tokio::test]
async fn a_live_projector_that_is_collected_comes_back_with_its_next_read() {
    let stage = stage().await;
    let running = stage.start(config("p"));
    stage.submit("T", 1).await;
    stage.until_folded().await;
    stage.store.collect_projector(&running.consumer).await.expect("an answer");
    stage.submit("U", 1).await;
    stage.until_folded().await;
    eventually(SOON, "it is back", async || {
        let projectors = stage.store.projectors().await.expect("projectors");
        projectors.iter().any(|state| state.consumer == running.consumer).then_some(())
    })
    .await;
}
