//! Acknowledging what is pending and does not exist.

use crate::stage::{MEDIUM, medium, stage};
use crate::state::NOTHING;
use redis_store::exorcise::Exorcised;

#[tokio::test]
async fn a_ghost_of_a_work_stream_is_pending_no_more() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let entry_id = stage.fetch("w", 1).await.remove(0).entry_id;
    stage.raw(&["XDEL", MEDIUM, &entry_id]);
    let before = stage.story();
    assert_eq!(stage.store.exorcise(&medium(), &entry_id).await.unwrap(), Exorcised::Exorcised);
    assert_eq!(stage.since(&before), [format!("- {MEDIUM}: ID [w] ghost")]);
    assert_eq!(stage.store.exorcise(&medium(), &entry_id).await.unwrap(), Exorcised::Gone);
}

#[tokio::test]
async fn a_ghost_of_the_log_is_pending_no_more() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let entry_id = stage.events().await.remove(0).entry_id;
    stage.raw(&["XDEL", "events", &entry_id]);
    assert_eq!(stage.store.exorcise_event(&entry_id).await.unwrap(), Exorcised::Exorcised);
    assert_eq!(stage.raw(&["XPENDING", "events", "projector"]).items()[0].integer(), 0);
    assert_eq!(stage.store.exorcise_event(&entry_id).await.unwrap(), Exorcised::Gone);
}

#[tokio::test]
async fn what_exists_is_kept_whoever_holds_it() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let entry_id = stage.fetch("w", 1).await.remove(0).entry_id;
    let before = stage.story();
    assert_eq!(stage.store.exorcise(&medium(), &entry_id).await.unwrap(), Exorcised::Kept);
    assert_eq!(stage.since(&before), NOTHING);
}
