//! What a worker says of itself when something is in its way.

use crate::stage::{Stage, name, stage};
use redis_store::StoreError;
use redis_store::heartbeat::Heartbeat;

async fn beat(stage: &Stage, at_ms: u64) -> Result<(), StoreError> {
    let (kinds, host) = ("simulate".to_owned(), "h".to_owned());
    let beat =
        Heartbeat { worker_id: "w".into(), host, pid: 7, kinds, slots: 4, running: 0, is_draining: false, at_ms };
    stage.store.beat(&name("w"), &beat).await
}

#[tokio::test]
async fn without_memory_what_a_worker_said_last_lives_on() {
    let stage = stage().await;
    beat(&stage, 5).await.unwrap();
    stage.raw(&["EXPIRE", "worker:w", "7"]);
    stage.out_of_memory();
    let answer = beat(&stage, 6).await;
    assert!(matches!(answer, Err(StoreError::OutOfMemory(_))), "{answer:?}");
    assert!((8..=60).contains(&stage.raw(&["TTL", "worker:w"]).integer()));
    assert_eq!(stage.raw(&["HGET", "worker:w", "heartbeat_at"]).text(), "5");
    stage.enough_memory();
    beat(&stage, 7).await.unwrap();
    assert_eq!(stage.raw(&["HGET", "worker:w", "heartbeat_at"]).text(), "7");
}

#[tokio::test]
async fn nothing_is_said_of_a_worker_that_has_no_place_to_be_collected_from() {
    let stage = stage().await;
    stage.raw(&["SET", "workers", "of another type"]);
    assert!(matches!(beat(&stage, 5).await, Err(StoreError::WrongType(_))));
    assert_eq!(stage.raw(&["EXISTS", "worker:w"]).integer(), 0);
}
