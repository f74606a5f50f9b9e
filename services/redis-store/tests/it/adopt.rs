//! Adding an entry again that nobody will ever read.

use crate::stage::{MEDIUM, Stage, medium, name, refuses_other_types, stage};
use crate::state::NOTHING;
use redis_store::StoreError;
use redis_store::adopt::Adopted;

async fn adopt(stage: &Stage, entry_id: &str) -> Result<Adopted, StoreError> {
    stage.store.adopt(&name("operator"), &medium(), entry_id).await
}

/// The one entry of `T`, held by `w` until a hand removed `w`; answers its id.
async fn orphan(stage: &Stage) -> String {
    stage.submit("T", 1).await;
    let entry_id = stage.fetch("w", 1).await.remove(0).entry_id;
    stage.raw(&["XGROUP", "DELCONSUMER", MEDIUM, "workers", "w"]);
    stage.raw(&["DEL", "bell:default"]);
    entry_id
}

#[tokio::test]
async fn an_orphan_is_a_new_entry_with_the_same_fields_and_wakes_a_worker() {
    let stage = stage().await;
    let entry_id = orphan(&stage).await;
    let before = stage.story();
    assert_eq!(adopt(&stage, &entry_id).await.unwrap(), Adopted::Adopted);
    let came = ["+ bell:default: 1 tokens", "+ events: ID v=1 by=operator facts=T 0 0 returned 1 0 operator MS"];
    assert_eq!(stage.since(&before), came, "all but the id of the entry");
    let again = stage.fetch("v", 2).await;
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].entry_id, entry_id);
}

#[tokio::test]
async fn the_second_call_finds_nothing() {
    let stage = stage().await;
    let entry_id = orphan(&stage).await;
    adopt(&stage, &entry_id).await.unwrap();
    let before = stage.exact();
    assert_eq!(adopt(&stage, &entry_id).await.unwrap(), Adopted::Gone);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn what_is_held_or_not_yet_delivered_is_kept() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    let held = stage.fetch("w", 1).await.remove(0).entry_id;
    let waiting = stage.raw(&["XREVRANGE", MEDIUM, "+", "-", "COUNT", "1"]).items()[0].items()[0].text();
    let before = stage.exact();
    for entry_id in [held, waiting] {
        assert_eq!(adopt(&stage, &entry_id).await.unwrap(), Adopted::Kept, "{entry_id}");
    }
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn what_is_newer_by_one_in_64_bits_is_not_yet_delivered() {
    let stage = stage().await;
    let (delivered, newer) = ("2000000000000-9007199254740992", "2000000000000-9007199254740993");
    stage.raw(&["XADD", MEDIUM, delivered, "a", "b"]);
    assert_eq!(stage.fetch("w", 2).await[0].entry_id, delivered);
    stage.raw(&["XADD", MEDIUM, newer, "a", "b"]);
    stage.raw(&["XGROUP", "DELCONSUMER", MEDIUM, "workers", "w"]);
    assert_eq!(adopt(&stage, newer).await.unwrap(), Adopted::Kept);
    assert_eq!(adopt(&stage, &delivered.replace('-', "-0")).await.unwrap(), Adopted::Adopted);
}

#[tokio::test]
async fn garbage_is_added_again_without_a_fact_but_not_what_lua_cannot_carry() {
    let stage = stage().await;
    let garbage = stage.leave("w", &[b"garbage", b"\xff"]).await;
    let many: Vec<&[u8]> = (0..514).map(|_| b"x" as &[u8]).collect();
    let packed = stage.leave("w", &many).await;
    stage.raw(&["XGROUP", "DELCONSUMER", MEDIUM, "workers", "w"]);
    assert_eq!(adopt(&stage, &garbage).await.unwrap(), Adopted::Adopted);
    assert_eq!(adopt(&stage, &packed).await.unwrap(), Adopted::Kept);
    assert_eq!(stage.facts(), NOTHING);
    assert_eq!(stage.fetch("v", 3).await.len(), 1);
}

#[tokio::test]
async fn a_key_of_another_type_stops_it_before_its_first_write() {
    let stage = stage().await;
    let entry_id = orphan(&stage).await;
    refuses_other_types(&stage, &["events", "bell:default"], async || adopt(&stage, &entry_id).await.map(drop)).await;
    assert!(matches!(adopt(&stage, "nonsense").await, Err(StoreError::Refused(_))));
}
