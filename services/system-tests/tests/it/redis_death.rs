//! A Redis that is killed while tasks pour in and drain.

use std::time::Duration;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON};
use system_tests::storm::Storm;

const KILLS: usize = 3;
const ACCEPTED_BETWEEN_KILLS: usize = 20;

#[test]
fn nothing_acknowledged_is_lost_when_redis_is_killed_under_load() {
    let mut stack = Plan::workers(2).durable().set("SIMULATE_SECONDS", 0.02).set("LEASE_MS", 3_000).start();
    let storm = Storm::start(&stack.client, 4, &body::simulated(10));
    for _ in 0..KILLS {
        let enough = storm.accepted() + ACCEPTED_BETWEEN_KILLS;
        eventually(SOON, "tasks are accepted", || (storm.accepted() >= enough).then_some(()));
        stack.redis.kill();
        stack.redis.restart().expect("redis starts again");
    }
    let enough = storm.accepted() + ACCEPTED_BETWEEN_KILLS;
    eventually(SOON, "tasks are accepted again", || (storm.accepted() >= enough).then_some(()));
    let storm = storm.end();

    let tasks = stack.await_drained(Duration::from_secs(60));
    assert!(tasks >= storm.accepted.len() as i64);
    assert_eq!(stack.redis.command(&["ZCARD", "tasks:completed"]).integer(), tasks);
    for id in &storm.accepted {
        assert_eq!(stack.hash(&format!("task:{id}")).get("completed").map(String::as_str), Some("10"), "{id}");
    }
    for process in stack.workers.iter().chain(&stack.projectors).chain([&stack.orchestrator]) {
        assert!(process.try_exit().is_none(), "no process ends because Redis was away");
    }
    assert!(stack.pending().is_empty());
    stack.audit();
}
