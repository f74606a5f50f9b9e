//! An attempt from its stream to its recorded outcome.

use crate::stage::{eventually, quick, stage, subtask};
use proto_schemas::SubtaskDefinition;
use serde_json::json;
use worker::handlers::built_in;

#[tokio::test(flavor = "multi_thread")]
async fn every_subtask_is_executed_once_and_its_result_stored() {
    let stage = stage().await;
    stage.submit("T", (0..50).map(|n| subtask("simulate", &json!({"n": n}))).collect()).await;
    let worker = stage.work(quick(), built_in(0.0));
    eventually("50 results", || (0..50).all(|index| stage.result(&format!("T-{index}")).is_some())).await;
    let result = stage.result("T-7").expect("a result");
    assert_eq!((result["status"].as_str(), result["task_id"].as_str()), (Some("completed"), Some("T")));
    worker.stop().await.expect("a clean end");
    assert_eq!(stage.redis.command(&["XLEN", "subtasks:default:medium"]).integer(), 0);
    let consumers = stage.redis.command(&["XINFO", "CONSUMERS", "subtasks:default:medium", "workers"]);
    assert!(consumers.items().is_empty(), "a worker that leaves in good order takes its consumer along");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_handler_fails_its_subtask_on_the_last_attempt_with_a_reason() {
    let stage = stage().await;
    let failing = subtask("test_task", &json!({"success_rate": 0.0}));
    stage.submit("T", vec![SubtaskDefinition { max_attempts: 2, backoff_base_ms: 1, ..failing }]).await;
    let worker = stage.work(quick(), built_in(0.0));
    eventually("a result", || stage.result("T-0").is_some()).await;
    assert_eq!(stage.result("T-0").expect("a result")["error"]["reason"], "error");
    assert_eq!((stage.facts("retrying").len(), stage.facts("failed")[0][4].as_str()), (1, "2"));
    worker.stop().await.expect("a clean end");
}
