//! The life of the data, and who has a copy of it.

use crate::stage::stage;
use std::time::Duration;

#[tokio::test]
async fn the_first_who_claims_names_the_epoch_and_only_a_loss_of_everything_ends_it() {
    let stage = stage().await;
    assert_eq!(stage.store.epoch().await.unwrap(), None);
    for mine in ["A", "B", "A"] {
        assert_eq!(stage.store.claim_epoch(mine).await.unwrap(), "A");
    }
    assert_eq!(stage.store.epoch().await.unwrap().as_deref(), Some("A"));
    stage.raw(&["FLUSHALL"]);
    assert_eq!(stage.store.epoch().await.unwrap(), None);
    assert_eq!(stage.store.claim_epoch("B").await.unwrap(), "B");
}

#[tokio::test]
async fn many_who_claim_at_once_agree() {
    let stage = stage().await;
    let mut claims = tokio::task::JoinSet::new();
    for at in 0..20 {
        let store = stage.store.clone();
        claims.spawn(async move { store.claim_epoch(&format!("E{at}")).await.expect("an epoch") });
    }
    let mut epochs = claims.join_all().await;
    epochs.dedup();
    assert_eq!(epochs.len(), 1);
}

#[tokio::test]
async fn waiting_for_replicas_that_do_not_exist_ends_in_time_and_says_none() {
    let stage = stage().await;
    stage.raw(&["SET", "x", "y"]);
    assert_eq!(stage.store.wait_replicas(0, Duration::from_millis(50)).await.unwrap(), 0);
    let begun = std::time::Instant::now();
    assert_eq!(stage.store.wait_replicas(1, Duration::from_millis(50)).await.unwrap(), 0);
    assert!(begun.elapsed() >= Duration::from_millis(40) && begun.elapsed() < Duration::from_secs(3));
}
