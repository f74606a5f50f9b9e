//! One task from submit to completed, and the same calls twice.

use crate::stage::{TTL, name, settlement, stage};
use proto_schemas::{FactKind, TaskId, TaskStatus};
use redis_store::settle::Settled;
use std::time::Duration;

#[tokio::test]
async fn a_task_goes_from_queued_to_completed_and_leaves_no_work() {
    let stage = stage().await;
    stage.submit("T", 3).await;
    let fetched = stage.fetch("w", 10).await;
    assert_eq!(fetched.len(), 3);
    let batch: Vec<_> =
        fetched.iter().map(|entry| settlement(entry, "w", FactKind::Completed, Some("{\"a\":1}"))).collect();
    assert_eq!(stage.store.settle(&name("w"), &batch).await.expect("answers"), [Settled::Recorded; 3]);
    assert_eq!(stage.store.settle(&name("w"), &batch).await.expect("answers"), [Settled::Stale; 3]);
    let events = stage.store.read_events(&name("p"), 10, Duration::from_millis(100)).await.expect("events");
    assert_eq!(events.len(), 2, "created, and one entry for the batch");
    assert_eq!(stage.store.fold(&name("p"), TTL, &events).await.expect("counts").counted, 3);
    assert_eq!(stage.store.fold(&name("p"), TTL, &events).await.expect("counts").duplicate, 3);
    let view = stage.store.task(&TaskId::new("T").expect("id")).await.expect("a read").expect("a task");
    assert_eq!((view.task.status, view.task.completed), (TaskStatus::Completed, 3));
    assert_eq!(stage.redis.command(&["XLEN", "subtasks:default:medium"]).integer(), 0);
    assert_eq!(stage.redis.command(&["GET", "result:T-0"]).text(), "{\"a\":1}");
    assert_eq!(stage.redis.command(&["ZRANGE", "tasks:completed", "0", "-1"]).items().len(), 1);
}
