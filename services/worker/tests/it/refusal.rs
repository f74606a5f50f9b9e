//! Settings under which a worker does not start.

use crate::doing::{Watch, elsewhere};
use crate::stage::{eventually, quick, stage, subtask};
use proto_schemas::{Kind, SubtaskDefinition};
use serde_json::{Value, json};
use worker::handlers::built_in;
use worker::{Config, ConfigError, WorkerError};

fn kinds(names: &[&str]) -> Config {
    Config { kinds: names.iter().map(|name| Kind::new(*name).expect("a kind")).collect(), ..quick() }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_lease_in_this_redis_refuses_the_start() {
    let stage = stage().await;
    stage.redis.command(&["HSET", "meta", "lease_ms", "5000"]);
    let refused = stage.work(quick(), built_in(0.0)).ended().await;
    assert!(matches!(refused, Err(WorkerError::LeaseDiffers { mine: 1_000, held: 5_000 })), "{refused:?}");
    assert_eq!(stage.redis.command(&["KEYS", "*"]).items().len(), 1, "and nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_worker_says_what_the_lease_is() {
    let stage = stage().await;
    let worker = stage.work(quick(), built_in(0.0));
    stage.idle(1).await;
    assert_eq!(stage.redis.command(&["HGET", "meta", "lease_ms"]).text(), "1000");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_would_strand_work_refuse_the_start() {
    let stage = stage().await;
    let refused = stage.work(kinds(&["simulate"]), built_in(0.0)).ended().await;
    assert!(matches!(refused, Err(WorkerError::Config(ConfigError::LeftOut { .. }))), "{refused:?}");
    let refused = stage.work(kinds(&["nonsense"]), built_in(0.0)).ended().await;
    assert!(matches!(refused, Err(WorkerError::Config(ConfigError::NoHandler(_)))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_runs_only_the_kinds_it_serves() {
    let (stage, watch) = (stage().await, Watch::default());
    let both = || watch.note().with(elsewhere(|_| async { Ok(Value::Null) }));
    let other =
        |kind: &str| SubtaskDefinition { queue: "other".parse().expect("a queue"), ..subtask(kind, &json!({})) };
    stage.submit("T", vec![subtask("do", &json!({})), other("elsewhere"), other("do")]).await;
    let worker = stage.work(kinds(&["elsewhere"]), both());
    eventually("its own kind has run", || stage.result("T-1").is_some()).await;
    eventually("a kind of another queue was parked", || stage.facts("parked").len() == 1).await;
    assert_eq!((stage.result("T-0"), stage.result("T-2")), (None, None));
    let beat = stage.redis.command(&["HGET", &format!("worker:{}", stage.consumers()[0]), "kinds"]);
    assert_eq!(beat.text(), "elsewhere");
    worker.stop().await.expect("a clean end");
    let rest = stage.work(kinds(&["do", "elsewhere"]), both());
    eventually("all have run", || stage.results("T", 3) == 3).await;
    rest.stop().await.expect("a clean end");
}
