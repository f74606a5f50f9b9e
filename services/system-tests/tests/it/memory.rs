//! Memory: it comes back when work is over, and without it what is under way goes on.

use serde_json::json;
use std::time::Duration;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::receiver::Receiver;
use system_tests::stack::{Plan, SOON, Stack};

const TASKS: usize = 4;
const SUBTASKS: usize = 1_000;
/// Tasks whose ends are told.
const TOLD: usize = 300;
const DRAINED: Duration = Duration::from_secs(120);

#[test]
fn streams_books_and_bytes_are_back_where_they_were_when_lives_are_over() {
    // Redis remembers 128 slow commands with their arguments: bounded, and no part of anybody's data.
    let unslow = ["--slowlog-log-slower-than", "-1"];
    let stack = short_lived(Plan::workers(2)).redis(&unslow).start();
    let (warm_keys, _) = round(&stack, TASKS, SUBTASKS);
    let baseline = stack.memory();
    let (keys, peak) = round(&stack, TASKS, SUBTASKS);
    assert_eq!(keys, warm_keys);
    assert!(peak > baseline * 6 / 5, "a round that takes no memory proves nothing: {baseline} then {peak}");
    eventually(SOON, "memory is back within 5 %", || (stack.memory() <= baseline * 21 / 20).then_some(()));
    check_empty(&stack);
    stack.audit();
}

#[test]
fn what_was_told_to_webhooks_is_gone_with_its_deliveries() {
    let receiver = Receiver::start(&["200 OK"]);
    let plan = short_lived(Plan::workers(2)).set("WEBHOOK_ALLOW", receiver.address());
    let stack = plan.redis(&["--slowlog-log-slower-than", "-1"]).start();
    let made = stack.client.post("/webhooks", &json!({"url": format!("http://{}/", receiver.address())}));
    assert_eq!(made.status, 201, "{}", made.body);
    let told = |ends: usize| {
        eventually(DRAINED, "every end is told", || (receiver.deliveries().len() >= ends).then_some(()));
        eventually(SOON, "none is under way", || {
            let keys = lasting_keys(&stack);
            keys.iter().all(|key| !key.starts_with("webhooks:open:")).then_some(keys)
        })
    };
    round(&stack, TOLD, 2);
    let warm_keys = told(TOLD);
    let baseline = stack.memory();
    let (_, peak) = round(&stack, TOLD, 2);
    assert_eq!(told(2 * TOLD), warm_keys);
    assert!(peak > baseline * 21 / 20, "a round that takes no memory proves nothing: {baseline} then {peak}");
    eventually(SOON, "memory is back within 5 %", || (stack.memory() <= baseline * 21 / 20).then_some(()));
    check_empty(&stack);
    stack.audit();
}

#[test]
fn a_full_redis_refuses_tasks_lets_what_is_under_way_end_and_takes_tasks_again_unaided() {
    let stack = short_lived(Plan::workers(1)).start();
    stack.workers[0].stop();
    let ids: Vec<String> = (0..TASKS).map(|_| stack.client.submit(&laden())).collect();
    let bound = stack.memory() * 9 / 10; // a tenth has to be worked off without any memory to spare
    stack.redis.command(&["CONFIG", "SET", "maxmemory", &bound.to_string()]);
    let refused = eventually(SOON, "it is refused", || {
        let answer = stack.client.post("/tasks", &laden());
        (answer.status != 202).then_some(answer)
    });
    assert!([429, 503].contains(&refused.status), "{}", refused.body);
    assert!(refused.header("retry-after").is_some());

    stack.workers[0].go_on();
    let ended = stack.await_drained(DRAINED);
    assert!(ended <= TASKS as i64 + 1, "{ended}");
    eventually(SOON, "there is room again", || {
        (stack.client.post("/tasks", &body::simulated(1)).status == 202).then_some(())
    });
    let last = stack.client.submit(&body::simulated(1));
    stack.await_status(&last, "completed");
    for id in &ids {
        assert_eq!(stack.fact_count(id, "failed"), 0);
    }
    assert!(stack.workers[0].try_exit().is_none() && stack.projectors[0].try_exit().is_none());
    stack.audit();
}

#[test]
fn results_and_tasks_live_as_long_as_their_settings_say() {
    let stack = Plan::workers(1).set("RESULT_TTL_SECONDS", 2).set("TASK_TTL_SECONDS", 3).start();
    let id = stack.client.submit(&body::lasting(1, 1.0));
    eventually(SOON, "it runs", || (stack.fact_count(&id, "started") > 0).then_some(()));
    let task_key = format!("task:{id}");
    assert_eq!(stack.length("TTL", &task_key), -1, "what has not ended has no end");
    stack.await_status(&id, "completed");
    let completed_at = stack.facts(&id).iter().find(|fact| fact.fact == "completed").expect("an end").at_ms;
    let left = stack.redis.command(&["PTTL", &format!("result:{id}-0")]).integer() as u64;
    let ends_at = stack.now_ms() + left;
    assert!(ends_at.abs_diff(completed_at + 2_000) <= 1_000, "{left} ms left");
    eventually(SOON, "the result has gone", || stack.result(&format!("{id}-0")).is_empty().then_some(()));
    assert_eq!(stack.client.get(&format!("/tasks/{id}")).status, 200, "the task goes after its results");
    eventually(SOON, "the task has gone", || (stack.client.get(&format!("/tasks/{id}")).status == 404).then_some(()));
    assert!(stack.now_ms() >= completed_at + 3_000);
    assert_eq!(stack.length("EXISTS", &format!("outcomes:{id}")), 0);
    stack.audit();
}

fn short_lived(plan: Plan) -> Plan {
    let plan = plan.set("RESULT_TTL_SECONDS", 1).set("TASK_TTL_SECONDS", 1);
    plan.set("EVENTS_RETENTION_SECONDS", 0).set("LEASE_MS", 10_000)
}

/// Runs some thousand subtasks and waits until nothing is left of them; answers what keys there are then, and the
/// most bytes that were seen.
fn round(stack: &Stack, tasks: usize, subtasks: usize) -> (Vec<String>, u64) {
    for _ in 0..tasks {
        stack.client.submit(&body::simulated(subtasks));
    }
    let mut peak = stack.memory();
    eventually(DRAINED, "every task has lived", || {
        peak = peak.max(stack.memory());
        (stack.length("ZCARD", "tasks") == 0).then_some(())
    });
    (lasting_keys(stack), peak)
}

/// The keys that are there when every task and its results have lived.
fn lasting_keys(stack: &Stack) -> Vec<String> {
    let keys = eventually(SOON, "every result has lived", || {
        let (keys, tasks) = (stack.keys(), stack.length("ZCARD", "tasks"));
        (tasks == 0 && keys.iter().all(|key| !key.starts_with("result:"))).then_some(keys)
    });
    keys.into_iter().filter(|key| !key.starts_with("maintenance:")).collect()
}

fn check_empty(stack: &Stack) {
    assert!(stack.entries().is_empty() && stack.pending().is_empty());
    assert!(stack.pending_in("events", "projector").is_empty(), "no fact is unfolded");
    eventually(SOON, "the log is trimmed", || (stack.length("XLEN", "events") <= 100).then_some(()));
    assert_eq!((stack.length("ZCARD", "delayed"), stack.length("HLEN", "delayed:body")), (0, 0));
    for index in ["tasks", "tasks:completed", "lifetimes", "cancelled"] {
        assert_eq!(stack.length("ZCARD", index), 0, "{index}");
    }
    assert!(stack.length("LLEN", "bell:default") <= 64);
}

/// A task of about 800 kB.
fn laden() -> serde_json::Value {
    let filling = "x".repeat(700);
    let subtask = json!({ "description": "d", "params": { "p": filling } });
    json!({ "description": "d", "subtasks": vec![subtask; 1_000] })
}
