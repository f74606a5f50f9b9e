//! A Redis that is killed while tasks pour in and drain.

use std::time::{Duration, Instant};
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{LEASE, Plan, SOON, Stack};
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

#[test]
fn an_outage_longer_than_a_lease_runs_next_to_nothing_again() {
    let mut stack = Plan::workers(2).durable().start();
    let id = stack.client.submit(&body::lasting(400, 0.2));
    eventually(SOON, "some have ended", || (stack.fact_count(&id, "completed") >= 100).then_some(()));
    stack.redis.kill();
    let away_since = Instant::now();
    eventually(SOON, "two leases are over", || (away_since.elapsed() > 2 * LEASE).then_some(()));
    stack.restart_redis();
    let done = stack.await_status(&id, "completed");
    assert_eq!(done["completed"], 400);
    let crashed = stack.fact_count(&id, "crashed");
    assert!(crashed < 4, "{crashed} of 400 were taken from workers that live");
    assert_eq!(stack.fact_count(&id, "completed"), 400);
    stack.audit();
}

#[test]
fn while_redis_loads_everyone_waits_without_a_storm_of_errors() {
    let slowly = ["--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024"];
    let mut stack = Plan::workers(2).durable().redis(&slowly).start();
    let id = stack.client.submit(&body::simulated(900));
    stack.await_status(&id, "completed");
    stack.redis.command(&["BGREWRITEAOF"]);
    eventually(SOON, "the log is rewritten", || {
        let info = stack.redis.command(&["INFO", "persistence"]).text();
        info.contains("aof_rewrite_in_progress:0").then_some(())
    });
    let held = stack.client.submit(&body::lasting(20, 1.0));
    let said = |stack: &Stack| stack.workers.iter().map(|worker| worker.log().lines().len()).sum::<usize>();
    eventually(SOON, "all run", || (stack.fact_count(&held, "started") == 20).then_some(()));
    let before = said(&stack);
    let began = Instant::now();
    let storm = Storm::start(&stack.client, 1, &body::simulated(1));
    stack.redis.restart().expect("redis starts again");
    let loaded_after = began.elapsed();
    assert!(loaded_after > Duration::from_secs(2), "a server that loads at once proves nothing: {loaded_after:?}");
    let enough = storm.accepted() + 1;
    eventually(SOON, "tasks are accepted again", || (storm.accepted() >= enough).then_some(()));
    let storm = storm.end();
    assert!(storm.refused > 0, "while it loads it is 503");
    stack.await_status(&held, "completed");
    stack.await_drained(Duration::from_secs(60));
    let lines = said(&stack) - before - 2 * storm.accepted.len() - 2 * 20;
    assert!(lines < 100, "{lines} lines in {loaded_after:?}");
    stack.audit();
}
