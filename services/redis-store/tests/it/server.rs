//! What the connected server is and promises.

use crate::stage::{stage, stage_on, store_at};
use redis_store::server::Durability;
use std::time::Duration;
use system_tests::redis::PrivateRedis;

#[tokio::test]
async fn the_promise_follows_the_settings_of_the_server() {
    for (arguments, promise, word) in [
        (&["--appendonly", "no"][..], Durability::None, "none"),
        (&["--appendonly", "yes", "--appendfsync", "always"], Durability::Always, "always"),
        (&["--appendonly", "yes", "--appendfsync", "everysec"], Durability::EverySecond, "everysec"),
        (&["--appendonly", "yes", "--appendfsync", "no"], Durability::KernelDecides, "no-fsync"),
    ] {
        let stage = stage_on(PrivateRedis::start_with(arguments).unwrap()).await;
        let state = stage.store.server_state().await.unwrap();
        assert_eq!((state.durability, state.durability.as_str()), (promise, word));
        stage.raw(&["ACL", "SETUSER", "default", "-config"]);
        let state = stage.store.server_state().await.unwrap();
        let told = if promise == Durability::None { Durability::None } else { Durability::Unknown };
        assert_eq!(state.durability, told, "a managed server may refuse to say");
    }
}

#[tokio::test]
async fn the_server_says_who_it_is_how_full_it_is_and_when_it_started() {
    let mut stage = stage().await;
    stage.raw(&["CONFIG", "SET", "maxmemory", "500mb"]);
    stage.raw(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let state = stage.store.server_state().await.unwrap();
    assert_eq!((state.maxmemory, state.maxmemory_policy.as_str()), (500 << 20, "noeviction"));
    assert!(state.used_memory > 0 && state.uptime_seconds < 60 && state.version.split('.').count() >= 3, "{state:?}");
    let (run_id, _) = stage.store.incarnation().await.unwrap();
    assert_eq!(run_id, state.run_id);
    stage.redis.restart().unwrap();
    let store = store_at(&stage.redis.url(), Duration::from_secs(5));
    assert_ne!(store.incarnation().await.unwrap().0, run_id, "a restart is another incarnation");
}

#[tokio::test]
async fn the_clock_is_the_servers() {
    let stage = stage().await;
    stage.store.now_ms().await.unwrap();
    let before = stage.raw(&["TIME"]).items()[0].integer() as u64 * 1_000;
    let now = stage.store.now_ms().await.unwrap();
    assert!((before..before + 60_000).contains(&now));
}
