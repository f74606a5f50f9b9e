//! What a clock that is set leaves behind: leases that are suddenly old, and ids from a time to come.

use serde_json::json;
use std::time::Duration;
use system_tests::body;
use system_tests::books::Pending;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON};

const STREAM: &str = "subtasks:default:medium";
const HOUR_MS: &str = "3600000";
const AT_ONCE: usize = 10;
const ADDED_AND_GONE: &str =
    "redis.call('XADD', KEYS[1], ARGV[1], 'v', '1') return redis.call('XDEL', KEYS[1], ARGV[1])";

#[test]
fn leases_that_a_clock_set_forward_ends_at_once_are_fenced_and_counted_once() {
    let stack = Plan::workers(2).set("LEASE_MS", 3_000).start();
    eventually(SOON, "somebody reaps: for one lease after a start nobody does", || {
        (stack.length("EXISTS", "maintenance:default") == 1).then_some(())
    });
    let id = stack.client.submit(&body::lasting(6, 3.0));
    eventually(SOON, "all run", || (stack.fact_count(&id, "started") == 6).then_some(()));
    let held = stack.pending();
    eventually(SOON, "somebody takes them for the work of the dead", || {
        for Pending { entry_id, consumer, .. } in &held {
            let claim = ["XCLAIM", STREAM, "workers", consumer, "0", entry_id, "IDLE", HOUR_MS, "JUSTID"];
            stack.redis.command(&claim);
        }
        (stack.fact_count(&id, "crashed") > 0).then_some(())
    });
    let task = stack.await_status(&id, "completed");
    assert_eq!((held.len(), &task["completed"]), (6, &json!(6)));
    assert_eq!(stack.fact_count(&id, "completed"), 6);
    eventually(SOON, "nothing is left over", || stack.entries().is_empty().then_some(()));
    stack.audit();
}

#[test]
fn after_a_clock_that_went_back_an_hour_ids_grow_and_work_goes_on() {
    let stack = Plan::workers(2).set("EVENTS_RETENTION_SECONDS", 0).start();
    let later = format!("{}-7", stack.now_ms() + 3_600_000);
    for stream in [STREAM, "events", "dead-letters"] {
        // An entry of the hour that was taken back, gone before anybody reads it; its id stays the last.
        stack.redis.command(&["EVAL", ADDED_AND_GONE, "1", stream, &later]);
    }
    let ids: Vec<String> = (0..4).map(|_| stack.client.submit(&body::graph(&["a", "b: a"]))).collect();
    let failing = json!({ "description": "d", "kind": "test_task", "max_attempts": 2, "params": { "success_rate": 0 },
        "backoff": { "base_seconds": 0.05 } });
    let failing = stack.client.submit(&json!({ "description": "d", "subtasks": [failing] }));
    for id in &ids {
        stack.await_status(id, "completed");
    }
    stack.await_status(&failing, "failed");
    let letters = stack.redis.command(&["XRANGE", "dead-letters", "-", "+"]);
    assert!(letters.items()[0].items()[0].text() > later, "{letters:?}");
    stack.audit();
}

#[test]
fn ten_thousand_that_are_due_at_once_run_once_each() {
    let stack = Plan::workers(2).set("LEASE_MS", 10_000).start();
    let mut body = body::simulated(1_000);
    body["delay_seconds"] = json!(5);
    let ids: Vec<String> = (0..AT_ONCE).map(|_| stack.client.submit(&body)).collect();
    assert!(stack.length("ZCARD", "delayed") >= 1_000);
    stack.await_drained(Duration::from_secs(120));
    for id in &ids {
        assert_eq!(stack.client.task(id)["completed"], 1_000);
    }
    let completed = stack.log().iter().filter(|fact| fact.fact == "completed").count();
    assert_eq!(completed, AT_ONCE * 1_000);
    assert_eq!((stack.length("ZCARD", "delayed"), stack.length("HLEN", "delayed:body")), (0, 0));
    stack.audit();
}
