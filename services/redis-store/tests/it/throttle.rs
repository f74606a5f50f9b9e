//! How much a client may ask for.

use crate::stage::stage;
use redis_store::StoreError;
use redis_store::throttle::{Allowance, Throttled};
use std::time::Duration;

const HOUR: Allowance = Allowance { requests: 4, window: Duration::from_secs(3_600) };

#[tokio::test]
async fn an_allowance_is_used_up_and_comes_back_evenly() {
    let stage = stage().await;
    for left in [3, 2, 1, 0] {
        let Throttled::Allowed(now, reset) = stage.store.throttle("c", HOUR).await.unwrap() else { panic!("{left}") };
        assert_eq!(now, left);
        let expect = Duration::from_secs(900 * (4 - left));
        assert!(reset <= expect && reset + Duration::from_secs(60) > expect, "{reset:?}");
    }
    let before = stage.raw(&["GET", "rate:c"]).text();
    let Throttled::Limited(wait) = stage.store.throttle("c", HOUR).await.unwrap() else { panic!("it is used up") };
    assert!(wait <= Duration::from_secs(900) && wait > Duration::from_secs(840), "{wait:?}");
    assert_eq!(stage.raw(&["GET", "rate:c"]).text(), before, "whoever waits is not made to wait longer");
    let now: f64 = before.parse().unwrap();
    stage.raw(&["SET", "rate:c", &format!("{:.3}", now - 900_000.0)]);
    assert!(
        matches!(stage.store.throttle("c", HOUR).await.unwrap(), Throttled::Allowed(0, _)),
        "a quarter has come back"
    );
    assert!(matches!(stage.store.throttle("d", HOUR).await.unwrap(), Throttled::Allowed(3, _)), "each for themselves");
}

#[tokio::test]
async fn what_is_whole_again_is_forgotten_and_a_clock_that_has_gone_back_locks_nobody_out() {
    let stage = stage().await;
    stage.store.throttle("c", HOUR).await.unwrap();
    let ttl = stage.raw(&["PTTL", "rate:c"]).integer();
    assert!((840_000..=901_000).contains(&ttl), "{ttl}");
    let far = stage.store.now_ms().await.unwrap() + 100 * 3_600_000;
    stage.raw(&["SET", "rate:c", &far.to_string()]);
    let Throttled::Limited(wait) = stage.store.throttle("c", HOUR).await.unwrap() else { panic!("it is used up") };
    assert!(wait <= Duration::from_secs(900), "{wait:?}");
    stage.raw(&["SET", "rate:c", "nonsense"]);
    assert!(matches!(stage.store.throttle("c", HOUR).await.unwrap(), Throttled::Allowed(3, _)));
}

#[tokio::test]
async fn a_key_of_another_type_is_refused_and_left_alone() {
    let stage = stage().await;
    stage.raw(&["RPUSH", "rate:c", "x"]);
    let answer = stage.store.throttle("c", HOUR).await;
    assert!(matches!(answer, Err(StoreError::WrongType(_))), "{answer:?}");
    assert_eq!(stage.raw(&["LLEN", "rate:c"]).integer(), 1);
}
