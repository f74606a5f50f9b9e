//! Workers that are asked to end.

use serde_json::json;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::process::Signal;
use system_tests::stack::{Plan, SOON};

#[test]
fn a_worker_that_must_end_at_once_hands_back_without_counting_anything() {
    let mut stack =
        Plan::workers(1).set("LEASE_MS", 10_000).set("SHUTDOWN_GRACE_SECONDS", 0).set("WORKER_SLOTS", 3).start();
    let id = stack.client.submit(&body::lasting(5, 1.5));
    eventually(SOON, "three run", || (stack.fact_count(&id, "started") == 3).then_some(()));
    stack.workers[0].signal(Signal::TERM);
    assert_eq!(stack.workers[0].wait_exit(SOON).code(), Some(0));

    assert!(stack.pending().is_empty());
    let entries = stack.entries();
    assert_eq!(entries.len(), 5);
    assert!(entries.iter().all(|entry| entry["attempt"] == "1" && entry["crashes"] == "0"), "{entries:#?}");
    assert_eq!((stack.fact_count(&id, "returned"), stack.fact_count(&id, "crashed")), (3, 0));
    let consumers = stack.redis.command(&["XINFO", "CONSUMERS", "subtasks:default:medium", "workers"]);
    assert!(consumers.items().is_empty(), "it takes its consumer along: {consumers:?}");

    stack.add_worker();
    let done = stack.await_status(&id, "completed");
    for subtask in done["subtasks"].as_array().expect("subtasks") {
        assert_eq!((&subtask["attempt"], &subtask["crashes"]), (&json!(1), &json!(0)), "{done:#}");
    }
    stack.audit();
}

#[test]
fn a_worker_with_time_to_end_finishes_what_it_runs_and_takes_nothing_more() {
    let stack = Plan::workers(1).set("LEASE_MS", 10_000).set("WORKER_SLOTS", 2).start();
    let id = stack.client.submit(&body::lasting(4, 1.0));
    eventually(SOON, "two run", || (stack.fact_count(&id, "started") == 2).then_some(()));
    stack.workers[0].signal(Signal::TERM);
    assert_eq!(stack.workers[0].wait_exit(SOON).code(), Some(0));
    assert_eq!(stack.fact_count(&id, "completed"), 2);
    assert_eq!(stack.fact_count(&id, "returned") + stack.fact_count(&id, "crashed"), 0);
    assert_eq!(stack.entries().len(), 2);
    assert!(stack.pending().is_empty());
    stack.audit();
}
