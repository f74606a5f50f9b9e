//! Plans with dependencies.

use serde_json::{Value, json};
use std::time::Duration;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON, Stack};
use system_tests::storm::Storm;

const DIAMOND: [&str; 4] = ["last: left right", "first", "left: first", "right: first"];
const TASKS: usize = 40;
const KILLS: usize = 3;

#[test]
fn a_diamond_runs_from_its_first_to_its_last_and_an_entry_names_whose_outputs_it_gets() {
    let stack = Plan::workers(2).set("SIMULATE_SECONDS", 0.1).start();
    let id = stack.client.submit(&body::graph(&DIAMOND));
    let last =
        eventually(SOON, "the last one may run", || stack.entries().into_iter().find(|entry| entry["index"] == "0"));
    assert_eq!(last["parents"], "left=2:fail_fast,right=3:fail_fast", "{last:#?}");
    for parent in [2, 3] {
        let result: Value = serde_json::from_str(&stack.result(&format!("{id}-{parent}"))).expect("a result");
        assert!(result["output"].is_object(), "its output is there before its child runs: {result}");
    }
    stack.await_status(&id, "completed");
    let facts = stack.facts(&id);
    let order: Vec<&str> = facts.iter().filter(|one| one.fact == "completed").map(|one| &*one.index).collect();
    assert!(order[0] == "1" && order[3] == "0" && order.len() == 4, "{order:?}");
    assert_eq!(stack.length("EXISTS", &format!("plan:{id}")), 0);
    stack.audit();
}

#[test]
fn what_depends_on_a_failure_is_skipped_goes_on_or_ends_the_rest() {
    let stack = Plan::workers(1).start();
    let fails = json!({ "name": "fails", "description": "d", "kind": "test_task", "max_attempts": 1,
        "params": { "success_rate": 0, "duration": 0.3 } });
    let after = |policy: &str| json!({ "description": "d", "depends_on": [{ "name": "fails", "on_failure": policy }] });
    let slow = json!({ "description": "d", "kind": "test_task", "params": { "duration": 60 } });
    for (children, expect) in [
        (vec![after("skip"), after("continue")], ["failed", "cancelled", "completed"]),
        (vec![after("fail_fast"), slow], ["failed", "cancelled", "cancelled"]),
    ] {
        let subtasks: Vec<Value> = [fails.clone()].into_iter().chain(children).collect();
        let body = json!({ "description": "d", "subtasks": subtasks });
        let id = stack.client.submit(&body);
        let task = stack.await_status(&id, "failed");
        let statuses: Vec<&Value> = (0..3).map(|at| &task["subtasks"][at]["status"]).collect();
        assert_eq!(statuses, expect);
        assert_eq!(stack.length("EXISTS", &format!("plan:{id}")), 0, "nothing stays blocked");
    }
    eventually(SOON, "the slow one was told to stop", || stack.entries().is_empty().then_some(()));
    stack.audit();
}

#[test]
fn every_child_is_released_once_however_often_projectors_die() {
    let mut stack = Plan::workers(1).start();
    stack.add_projector();
    let storm = Storm::start(&stack.client, 2, &body::graph(&DIAMOND));
    for kill in 1..=KILLS {
        let enough = kill * TASKS / (KILLS + 1);
        eventually(SOON, "tasks are accepted", || (storm.accepted() >= enough).then_some(()));
        stack.projectors.remove(0).kill();
        stack.add_projector();
    }
    eventually(SOON, "tasks enough", || (storm.accepted() >= TASKS).then_some(()));
    let storm = storm.end();
    assert_eq!(stack.await_drained(Duration::from_secs(60)), storm.accepted.len() as i64);
    for id in &storm.accepted {
        check_each_once(&stack, id);
    }
    stack.audit();
}

fn check_each_once(stack: &Stack, id: &str) {
    let facts = stack.facts(id);
    let mut completed: Vec<&str> = facts.iter().filter(|one| one.fact == "completed").map(|one| &*one.index).collect();
    completed.sort_unstable();
    assert_eq!(completed, ["0", "1", "2", "3"], "{id}");
    assert_eq!(stack.hash(&format!("task:{id}"))["status"], "completed");
}
