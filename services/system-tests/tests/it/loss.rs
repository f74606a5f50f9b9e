//! What a hand or an accident takes away from Redis under load.

use serde_json::{Value, json};
use std::time::Duration;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON, Stack};
use system_tests::storm::{Aftermath, Storm};

const STREAM: &str = "subtasks:default:medium";
const TASKS: usize = 30;
const ROUNDS: usize = 10;
const DRAINED: Duration = Duration::from_secs(60);

#[test]
fn after_a_flushall_under_load_what_comes_later_is_served_and_the_loss_is_told() {
    let stack = Plan::workers(2).set("LEASE_MS", 3_000).start();
    let epoch = eventually(SOON, "the epoch is known", || ready(&stack)["epoch"].as_str().map(str::to_owned));
    let lost = stack.client.submit(&body::lasting(2, 60.0));
    let storm = Storm::start(&stack.client, 2, &body::simulated(5));
    await_accepted(&storm, TASKS);
    stack.redis.command(&["FLUSHALL"]);
    eventually(SOON, "the loss is told", || (ready(&stack)["losses"] == 1).then_some(()));
    await_accepted(&storm, TASKS);
    storm.end();

    assert!(stack.await_drained(DRAINED) >= TASKS as i64);
    assert_eq!(stack.client.get(&format!("/tasks/{lost}")).status, 404);
    assert_ne!(ready(&stack)["epoch"], json!(epoch));
    assert!(ready(&stack)["warnings"].to_string().contains("lost everything"), "{}", ready(&stack));
    check_alive(&stack);
    eventually(SOON, "nothing is left of what ran", || stack.entries().is_empty().then_some(()));
    stack.audit();
}

#[test]
fn groups_that_are_destroyed_under_load_are_made_again_and_nothing_is_lost_or_counted_twice() {
    let stack = Plan::workers(2).set("LEASE_MS", 3_000).start();
    let storm = Storm::start(&stack.client, 2, &body::simulated(10));
    for round in 0..ROUNDS {
        await_accepted(&storm, TASKS / ROUNDS);
        let (stream, group) = if round % 2 == 0 { (STREAM, "workers") } else { ("events", "projector") };
        eventually(SOON, "it was made again, and is destroyed again", || {
            (stack.redis.command(&["XGROUP", "DESTROY", stream, group]).integer() == 1).then_some(())
        });
    }
    check_whole(&stack, &storm.end());
}

#[test]
fn forgotten_scripts_and_cut_connections_double_nothing() {
    let stack = Plan::workers(2).set("LEASE_MS", 3_000).start();
    let storm = Storm::start(&stack.client, 2, &body::simulated(10));
    for round in 0..2 * ROUNDS {
        await_accepted(&storm, TASKS / ROUNDS);
        match round % 2 {
            0 => stack.redis.command(&["SCRIPT", "FLUSH", "SYNC"]),
            _ => stack.redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]),
        };
    }
    check_whole(&stack, &storm.end());
}

#[test]
fn what_delconsumer_by_hand_leaves_is_named_by_the_audit_and_given_back_by_its_repair() {
    let stack = Plan::workers(1).set("LEASE_MS", 3_000).start();
    let id = stack.client.submit(&body::lasting(2, 2.0));
    eventually(SOON, "both run", || (stack.fact_count(&id, "started") == 2).then_some(()));
    let consumer = stack.pending()[0].consumer.clone();
    stack.workers[0].stop();
    let deleted = stack.redis.command(&["XGROUP", "DELCONSUMER", STREAM, "workers", &consumer]);
    assert_eq!(deleted.integer(), 2);
    let report = stack.run(&["audit", "--json"]);
    assert_eq!(report.code, Some(1));
    assert_eq!(report.out.matches("orphan_entry").count(), 2, "{}", report.out);
    let repaired = stack.run(&["audit", "--repair"]);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");

    stack.workers[0].go_on();
    stack.await_status(&id, "completed");
    assert_eq!(stack.fact_count(&id, "completed"), 2);
    eventually(SOON, "nothing is left over", || stack.entries().is_empty().then_some(()));
    stack.audit();
}

fn ready(stack: &Stack) -> Value {
    stack.client.get("/ready").json()["redis"].clone()
}

/// Waits for so many tasks more.
fn await_accepted(storm: &Storm, more: usize) {
    let enough = storm.accepted() + more;
    eventually(SOON, "tasks are accepted", || (storm.accepted() >= enough).then_some(()));
}

/// Every task that was accepted ended once, as a whole.
fn check_whole(stack: &Stack, storm: &Aftermath) {
    assert!(stack.await_drained(DRAINED) >= storm.accepted.len() as i64);
    for id in &storm.accepted {
        let hash = stack.hash(&format!("task:{id}"));
        assert_eq!((&*hash["status"], &*hash["completed"]), ("completed", "10"), "{id}");
    }
    check_alive(stack);
    stack.audit();
}

fn check_alive(stack: &Stack) {
    for process in stack.workers.iter().chain(&stack.projectors).chain([&stack.orchestrator]) {
        assert!(process.try_exit().is_none(), "nobody ends for it: {}", process.log().lines().join("\n"));
    }
}
