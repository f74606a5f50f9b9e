//! Cancelling: whatever has not ended ends at once, and stays ended whatever dies.

use serde_json::json;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON, Stack};

#[test]
fn what_runs_waits_or_is_blocked_ends_at_once_and_a_slot_is_free_within_a_second() {
    let stack = Plan::workers(1).set("WORKER_SLOTS", 1).set("LEASE_MS", 3_000).start();
    let long = json!({ "name": "long", "description": "long", "kind": "test_task", "params": { "duration": 60 } });
    let body = json!({ "description": "one of each", "subtasks": [
        long,
        { "description": "waits for the slot" },
        { "description": "is blocked", "depends_on": ["long"] },
    ] });
    let id = stack.client.submit(&body);
    let delayed = stack.client.submit(&json!({ "description": "an api", "delay_seconds": 60 }));
    eventually(SOON, "the long one runs", || (stack.fact_count(&id, "started") > 0).then_some(()));
    let next = stack.client.submit(&body::simulated(1));

    let document = stack.client.cancel(&id);
    assert_eq!((&document["status"], &document["cancelled"]), (&json!("cancelled"), &json!(3)), "{document:#}");
    assert_eq!(stack.client.cancel(&id), document, "a second time changes nothing");
    assert_eq!(stack.client.cancel(&delayed)["status"], "cancelled");
    assert_eq!((stack.length("ZCARD", "delayed"), stack.length("HLEN", "delayed:body")), (0, 0));
    assert_eq!(stack.length("EXISTS", &format!("plan:{id}")), 0);

    stack.await_status(&next, "completed");
    let at = |id: &str, word: &str| stack.facts(id).iter().find(|fact| fact.fact == word).expect("a fact").at_ms;
    let free_after = at(&next, "completed").saturating_sub(at(&id, "cancelled"));
    assert!(free_after <= 1_500, "told within a second, and half a one for a loaded machine: {free_after} ms");
    let refused = stack.client.post(&format!("/tasks/{next}/cancel"), &json!({}));
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("not_cancellable")));
    check_gone(&stack, &id);
    stack.audit();
}

#[test]
fn what_was_cancelled_stays_so_when_its_worker_and_redis_die() {
    let mut stack = Plan::workers(1).durable().set("LEASE_MS", 3_000).start();
    let id = stack.client.submit(&body::lasting(2, 60.0));
    eventually(SOON, "both run", || (stack.fact_count(&id, "started") == 2).then_some(()));
    stack.workers[0].stop();
    stack.client.cancel(&id); // its worker does not hear of it
    stack.workers[0].kill();
    stack.restart_redis();
    assert_eq!(stack.pending().len(), 2, "the dead one's work was left");

    stack.add_worker();
    eventually(SOON, "the next worker drops it", || stack.entries().is_empty().then_some(()));
    let next = stack.client.submit(&body::simulated(1));
    stack.await_status(&next, "completed");
    assert_eq!(stack.fact_count(&id, "started"), 2, "nothing of it began again");
    check_gone(&stack, &id);
    stack.audit();
}

/// A cancelled task has its status, no outcome but that, and no work left.
fn check_gone(stack: &Stack, id: &str) {
    eventually(SOON, "no work is left of it", || stack.entries().is_empty().then_some(()));
    assert!(stack.pending().is_empty());
    let task = stack.client.task(id);
    assert_eq!((&task["status"], &task["completed"], &task["failed"]), (&json!("cancelled"), &json!(0), &json!(0)));
    assert_eq!(stack.fact_count(id, "completed") + stack.fact_count(id, "failed"), 0);
}
