//! Marks that bar others for a while.

use crate::stage::{name, stage};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn whoever_is_first_bars_the_others_until_it_is_over() {
    let stage = stage().await;
    assert!(stage.store.begin_solitude(&name("a"), LONG).await.unwrap());
    assert!(!stage.store.begin_solitude(&name("b"), LONG).await.unwrap());
    assert!(stage.store.claim_sweep(&name("b"), LONG).await.unwrap(), "another mark bars from something else");
    assert!((1..=60_000).contains(&stage.raw(&["PTTL", "maintenance:@alone"]).integer()), "no mark is for ever");
    stage.store.end_solitude().await.unwrap();
    assert!(stage.store.begin_solitude(&name("b"), LONG).await.unwrap());
}

#[tokio::test]
async fn without_memory_everybody_may() {
    let stage = stage().await;
    stage.raw(&["CONFIG", "SET", "maxmemory", "1"]);
    for who in ["a", "b"] {
        assert!(stage.store.begin_solitude(&name(who), LONG).await.unwrap());
    }
}
