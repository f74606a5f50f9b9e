//! Work for later.

use serde_json::json;
use std::time::Duration;
use system_tests::stack::{Plan, Stack};

const DELAY: Duration = Duration::from_millis(2_500);
/// A second is promised; the rest is for a loaded machine.
const LATE_MAX_MS: u64 = 1_500;

#[test]
fn a_delayed_task_starts_not_before_its_time_and_within_a_second_of_it() {
    let stack = Plan::workers(2).start();
    let id = stack.client.submit(&json!({ "description": "an api", "delay_seconds": DELAY.as_secs_f64() }));
    let waiting = stack.client.task(&id);
    assert_eq!((&waiting["status"], &waiting["subtasks"][0]["status"]), (&json!("queued"), &json!("delayed")));
    stack.await_status(&id, "completed");
    check_times(&stack, &id, 4);
    stack.audit();
}

#[test]
fn what_waits_for_its_time_outlives_redis_the_api_and_every_worker() {
    let mut stack = Plan::workers(1).durable().start();
    let id = stack.client.submit(&json!({ "description": "an api", "delay_seconds": DELAY.as_secs_f64() }));
    stack.workers[0].kill();
    stack.orchestrator.kill();
    stack.redis.kill();
    stack.redis.restart().expect("redis starts again");
    stack.add_worker();
    stack.restart_orchestrator();
    stack.await_status(&id, "completed");
    let earliest = completed_at(&stack, &id).into_iter().min().expect("4 ends");
    assert!(earliest >= created_at(&stack, &id) + DELAY.as_millis() as u64);
    assert_eq!(stack.fact_count(&id, "completed"), 4);
    stack.audit();
}

fn check_times(stack: &Stack, id: &str, count: usize) {
    let due = created_at(stack, id) + DELAY.as_millis() as u64;
    let ends = completed_at(stack, id);
    assert_eq!(ends.len(), count);
    for at in ends {
        assert!(at >= due && at <= due + LATE_MAX_MS, "{} ms after its time", at as i64 - due as i64);
    }
}

fn created_at(stack: &Stack, id: &str) -> u64 {
    stack.facts(id).iter().find(|fact| fact.fact == "created").expect("a creation").at_ms
}

fn completed_at(stack: &Stack, id: &str) -> Vec<u64> {
    stack.facts(id).iter().filter(|fact| fact.fact == "completed").map(|fact| fact.at_ms).collect()
}
