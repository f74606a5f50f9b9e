//! Sizes at their limits, and one more.

use serde_json::{Value, json};
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON, Stack};

const PAYLOAD_MAX: usize = 64 * 1024;
/// As many of the largest payloads as fit into the largest body.
const LADEN: usize = 15;
const TASKS: usize = 5;

#[test]
fn the_largest_payloads_run_by_the_batch_and_one_byte_more_is_refused() {
    let mut stack = Plan::workers(0).start();
    let ids: Vec<String> = (0..TASKS).map(|_| stack.client.submit(&body::laden(LADEN, PAYLOAD_MAX))).collect();
    stack.add_worker(); // 64 of them fill its slots at once
    for id in &ids {
        stack.await_status(id, "completed");
    }
    eventually(SOON, "nobody rings any more", || (stack.length("EXISTS", "bell:default") == 0).then_some(()));
    let before = stack.keys();
    let refused = stack.client.post("/tasks", &body::laden(1, PAYLOAD_MAX + 1));
    assert_eq!((refused.status, &refused.json()["code"]), (413, &json!("payload_too_large")), "{}", refused.body);
    assert_eq!(stack.client.post("/tasks", &body::laden(LADEN + 2, PAYLOAD_MAX)).status, 413, "the body is too large");
    assert_eq!(stack.keys(), before);
    stack.audit();
}

#[test]
fn a_thousand_subtasks_are_a_task_and_one_more_is_refused() {
    let stack = Plan::workers(2).start();
    let id = stack.client.submit(&body::simulated(1_000));
    assert_eq!(stack.await_status(&id, "completed")["completed"], 1_000);
    let refused = stack.client.post("/tasks", &body::simulated(1_001));
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(stack.length("ZCARD", "tasks"), 1);
    stack.audit();
}

/// Redis keeps a small hash in one piece, and turns it into a table when it grows beyond 512 fields.
#[test]
fn records_are_the_same_where_redis_changes_how_it_keeps_them() {
    let stack = Plan::workers(1).start();
    for count in [512, 513] {
        let id = stack.client.submit(&body::simulated(count));
        let done = stack.await_status(&id, "completed");
        assert_eq!(done["completed"], count);
        check_records(&stack, &id, count);
    }
    stack.await_drained(SOON);
    stack.audit();
    let rebuilt = stack.run(&["rebuild"]);
    assert_eq!(rebuilt.code, Some(0), "{rebuilt:?}");
    stack.audit();
}

fn check_records(stack: &Stack, id: &str, count: usize) {
    let records = stack.hash(&format!("outcomes:{id}"));
    assert_eq!(records.len(), count);
    let task: Value = stack.client.task(id);
    let subtasks = task["subtasks"].as_array().expect("subtasks");
    assert!(subtasks.iter().all(|subtask| subtask["status"] == "completed"));
    let encoding = stack.redis.command(&["OBJECT", "ENCODING", &format!("outcomes:{id}")]).text();
    assert_eq!(encoding == "hashtable", count > 512, "{encoding}");
}
