//! Work that takes longer than a lease, and work that nobody rang for.

use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{LEASE, Plan, SOON, Stack};

const STREAM: &str = "subtasks:default:medium";

#[test]
fn a_job_of_ten_leases_runs_once_beside_an_idle_worker() {
    let stack = Plan::workers(2).start();
    let id = stack.client.submit(&body::lasting(1, 10.0 * LEASE.as_secs_f64()));
    let task = stack.await_status(&id, "completed");
    assert_eq!((&task["subtasks"][0]["attempt"], &task["subtasks"][0]["crashes"]), (&1.into(), &0.into()), "{task:#}");
    let words: Vec<String> = stack.facts(&id).into_iter().map(|fact| fact.fact).collect();
    assert_eq!(words, ["created", "started", "completed"]);
    stack.audit();
}

#[test]
fn work_that_no_bell_was_rung_for_starts_within_two_seconds() {
    let stack = Plan::workers(1).start();
    for number in 0..3 {
        let subtask_id = format!("HAND-{number}");
        let entry = ["task_id", "HAND", "subtask_id", &subtask_id, "description", "by hand"];
        stack.redis.command(&[&["XADD", STREAM, "*"], &entry[..]].concat());
        let added_at = stack.now_ms();
        eventually(SOON, "it is done", || (!stack.result(&subtask_id).is_empty()).then_some(()));
        let waited = stack.now_ms() - added_at;
        assert!(waited <= 2_500, "half a second for a loaded machine: {waited} ms");
    }
}

#[test]
fn workers_that_share_a_name_share_the_work_and_recover_what_one_of_them_left() {
    let stack = Plan::workers(2).set("WORKER_ID", "twin").set("WORKER_SLOTS", 4).start();
    let id = stack.client.submit(&body::lasting(8, 2.0));
    eventually(SOON, "each holds what it has slots for", || (held_by_each(&stack) == [4, 4]).then_some(()));
    stack.workers[0].kill();
    let task = stack.await_status(&id, "completed");
    let crashes: u64 = (0..8).map(|at| task["subtasks"][at]["crashes"].as_u64().expect("a number")).sum();
    assert_eq!(crashes, 4, "{task:#}");
    assert_eq!(stack.fact_count(&id, "completed"), 8);
    stack.audit();
}

fn held_by_each(stack: &Stack) -> Vec<usize> {
    stack.workers.iter().map(|worker| stack.held_by(worker).len()).collect()
}
