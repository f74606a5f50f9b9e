//! Which kinds some worker serves.

use crate::stage::stage;
use proto_schemas::{Kind, QueueName};
use redis_store::kinds::KnownKind;

fn known(kind: &str, queue: &str, seen_ms: u64) -> KnownKind {
    let (kind, queue) = (Kind::new(kind).expect("a kind"), QueueName::new(queue).expect("a queue"));
    KnownKind { kind, queue, seen_ms }
}

#[tokio::test]
async fn what_a_worker_announces_is_known_with_its_queue_and_its_time_until_it_is_forgotten() {
    let stage = stage().await;
    assert_eq!(stage.store.known_kinds().await.unwrap(), []);
    let kinds = ["simulate", "render"].map(|kind| Kind::new(kind).unwrap());
    let queues = ["default", "gpu"].map(|queue| QueueName::new(queue).unwrap());
    stage.store.announce_kinds(kinds.iter().zip(&queues), 5).await.unwrap();
    stage.store.announce_kinds([(&kinds[0], &queues[0])], 9).await.unwrap();
    let before = stage.exact();
    stage.store.announce_kinds([(&kinds[0], &queues[0])], 9).await.unwrap();
    stage.store.announce_kinds([], 10).await.unwrap();
    assert_eq!(stage.exact(), before, "twice is once, and nothing is nothing");
    assert_eq!(stage.store.known_kinds().await.unwrap(), [known("render", "gpu", 5), known("simulate", "default", 9)]);
    stage.store.forget_kinds(&kinds[1..]).await.unwrap();
    stage.store.forget_kinds(&kinds[1..]).await.unwrap();
    stage.store.forget_kinds(&[]).await.unwrap();
    assert_eq!(stage.store.known_kinds().await.unwrap(), [known("simulate", "default", 9)]);
}

#[tokio::test]
async fn what_a_stranger_wrote_and_nobody_can_read_is_left_out() {
    let stage = stage().await;
    let odd = ["a", "default", "b", "default soon", "c", "two words 5", "d e", "default 5", "f", "", "g", "gpu 7"];
    stage.raw(&[&["HSET", "kinds"][..], &odd].concat());
    assert_eq!(stage.store.known_kinds().await.unwrap(), [known("g", "gpu", 7)]);
}
