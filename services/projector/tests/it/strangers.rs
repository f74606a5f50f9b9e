//! Keys of others in the same Redis.

use crate::stage::{config, name, stage};
use projector::Config;
use proto_schemas::TaskStatus;
use std::time::Duration;

#[tokio::test]
async fn foreign_keys_are_untouched_and_no_command_walks_the_keyspace() {
    let stage = stage().await;
    stage.command("SADD _kombu.binding.celery a b");
    stage.command("LPUSH work_queue 1 2 3");
    stage.command("HSET task status odd");
    stage.command("XADD eventss * f v");
    stage.command("SET outcomes:other text");
    let keys = ["_kombu.binding.celery", "work_queue", "task", "eventss", "outcomes:other"];
    let before: Vec<_> = keys.map(|key| stage.words(&["DUMP", key])).into();
    stage.command("CONFIG RESETSTAT");

    let quick = Config { task_ttl: Duration::from_millis(100), events_retention: Duration::ZERO, ..config("p") };
    let running = stage.start(quick);
    stage.submit("T", 10).await;
    stage.complete_all().await;
    stage.until_folded().await;
    let completed = stage.store.task(&crate::stage::id("T")).await.expect("a read");
    assert!(completed.is_none_or(|view| view.task.status == TaskStatus::Completed));
    assert!(projector::audit(&stage.store, Duration::ZERO).await.expect("a report").is_clean());
    projector::rebuild(&stage.store, &name("p"), crate::stage::TTL, None).await.expect("a report");
    running.stop().await;

    assert_eq!(keys.map(|key| stage.words(&["DUMP", key])).to_vec(), before);
    let used = stage.command("INFO commandstats").text();
    for command in ["keys", "scan", "flushdb", "flushall", "monitor"] {
        assert!(!used.contains(&format!("cmdstat_{command}:")), "{command} was used");
    }
}
