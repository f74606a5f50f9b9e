//! Who starts next: shares by priority, and nobody starves.

use serde_json::{Value, json};
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON, Stack};

const BACKLOG: usize = 150;
const COUNTED: usize = 150;

#[test]
fn a_critical_one_starts_next_and_low_ones_go_on_beside_a_stream_of_critical_ones() {
    let stack = Plan::workers(1).set("WORKER_SLOTS", 1).set("LEASE_MS", 10_000).start();
    let low = stack.client.submit(&of("low", 100, 0.03));
    eventually(SOON, "low ones have run", || (stack.fact_count(&low, "completed") >= 5).then_some(()));
    let critical = stack.client.submit(&of("critical", 1, 0.0));
    stack.await_status(&critical, "completed");
    let order = log(&stack);
    let at = |word: &str| order.iter().position(|one| *one == (critical.clone(), word.to_owned())).expect("a fact");
    let between = order[at("created")..at("completed")].iter().filter(|(id, word)| *id == low && word == "completed");
    assert!(between.count() <= 1, "one was running: {order:?}");

    let stream = stack.client.submit(&of("critical", 80, 0.0));
    stack.await_status(&stream, "completed");
    let order = log(&stack);
    let begin = order.iter().position(|(id, _)| *id == stream).expect("its creation");
    let end = order.iter().rposition(|(id, _)| *id == stream).expect("its last end");
    let meanwhile = order[begin..end].iter().filter(|(id, word)| *id == low && word == "completed").count();
    assert!((8..=14).contains(&meanwhile), "one of nine is low: {meanwhile} beside 80");
    stack.client.cancel(&low);
    eventually(SOON, "the rest is dropped", || stack.entries().is_empty().then_some(()));
    stack.audit();
}

#[test]
fn a_full_backlog_is_shared_eight_to_four_to_two_to_one_and_a_lone_low_one_gets_everything() {
    let mut stack = Plan::workers(0).set("WORKER_SLOTS", 1).set("LEASE_MS", 10_000).start();
    let ids = ["critical", "high", "medium", "low"].map(|priority| stack.client.submit(&of(priority, BACKLOG, 0.0)));
    stack.add_worker();
    stack.await_drained(SOON);
    let all = log(&stack);
    let ends: Vec<&String> = all.iter().filter(|(_, word)| word == "completed").map(|(id, _)| id).collect();
    let shares = ids.each_ref().map(|id| ends[..COUNTED].iter().filter(|one| **one == id).count());
    for (count, share) in shares.into_iter().zip([80, 40, 20, 10]) {
        assert!(count.abs_diff(share) <= 3, "{shares:?}");
    }
    let last = &ends[ends.len() - 20..];
    assert!(last.iter().all(|id| **id == ids[3]), "what the others do not use is the low one's");
    stack.audit();
}

fn of(priority: &str, count: usize, seconds: f64) -> Value {
    let subtask = json!({ "description": "d", "kind": "test_task", "params": { "duration": seconds } });
    json!({ "description": "d", "priority": priority, "subtasks": vec![subtask; count] })
}

/// Task and word of every fact, in the order of the log.
fn log(stack: &Stack) -> Vec<(String, String)> {
    stack.log().into_iter().map(|fact| (fact.task_id, fact.fact)).collect()
}
