//! An API that is killed while tasks pour in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON, Stack};
use system_tests::storm::Storm;

const SUBTASKS: usize = 5;
const KILLS: usize = 4;
const ACCEPTED_BETWEEN_KILLS: usize = 25;

#[test]
fn an_api_that_is_killed_leaves_whole_tasks_or_none() {
    let mut stack = Plan::workers(0).start();
    let storm = Storm::start(&stack.client, 8, &body::simulated(SUBTASKS));
    for kill in 1..=KILLS {
        eventually(SOON, "tasks are accepted", || (storm.accepted() >= kill * ACCEPTED_BETWEEN_KILLS).then_some(()));
        stack.orchestrator.kill();
        stack.restart_orchestrator();
    }
    let storm = storm.end();
    assert!(storm.unanswered >= KILLS, "a kill that interrupts nothing proves nothing: {}", storm.unanswered);

    let tasks = indexed(&stack);
    assert!(storm.accepted.is_subset(&tasks), "a task was acknowledged and is not there");
    let mut entries: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in stack.entries() {
        assert!(entries.entry(entry["task_id"].clone()).or_default().insert(entry["index"].clone()), "{entry:?} twice");
    }
    assert_eq!(entries.keys().cloned().collect::<BTreeSet<_>>(), tasks, "entries without a task, or the reverse");
    for (id, indexes) in &entries {
        assert_eq!(indexes.len(), SUBTASKS, "{id}");
        assert_eq!(stack.hash(&format!("task:{id}"))["total"], SUBTASKS.to_string(), "{id}");
        assert_eq!(stack.fact_count(id, "created"), 1, "{id}");
    }
    stack.audit();

    stack.add_worker();
    assert_eq!(stack.await_drained(Duration::from_secs(60)), tasks.len() as i64);
    assert_eq!(stack.redis.command(&["ZCARD", "tasks:completed"]).integer(), tasks.len() as i64);
    stack.audit();
}

fn indexed(stack: &Stack) -> BTreeSet<String> {
    stack.redis.command(&["ZRANGE", "tasks", "0", "-1"]).items().iter().map(|id| id.text()).collect()
}
