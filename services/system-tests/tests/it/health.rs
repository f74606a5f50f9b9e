//! `millstream healthcheck`: what a container engine asks.

use serde_json::json;
use std::time::Duration;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::process::{self, Process, Settings, Signal, run};
use system_tests::stack::{Plan, SOON, Stack};

/// A role counts as unhealthy after this, and a look more for a loaded machine.
const NOTICED: Duration = Duration::from_secs(25);

#[test]
fn a_role_is_healthy_while_it_serves_and_not_while_it_is_frozen_or_without_redis() {
    let stack = Plan::workers(1).start();
    let roles =
        [("orchestrator", &stack.orchestrator), ("worker", &stack.workers[0]), ("projector", &stack.projectors[0])];
    for (role, process) in &roles {
        await_verdict(&stack, role, process, 0);
    }
    for (_, process) in &roles {
        process.stop();
    }
    for (role, process) in &roles {
        await_verdict(&stack, role, process, 1);
    }
    for (_, process) in &roles {
        process.go_on();
    }
    for (role, process) in &roles {
        await_verdict(&stack, role, process, 0);
    }
    let server = stack.redis.pid().expect("redis runs");
    process::send(server, Signal::STOP);
    for (role, process) in &roles {
        await_verdict(&stack, role, process, 1);
    }
    process::send(server, Signal::CONT);
    for (role, process) in &roles {
        await_verdict(&stack, role, process, 0);
    }
}

#[test]
fn a_worker_that_can_read_no_stream_is_unhealthy_until_it_can_read_one() {
    let stack = Plan::workers(1).start();
    let worker = &stack.workers[0];
    await_verdict(&stack, "worker", worker, 0);
    let keys = ["critical", "high", "medium", "low"].map(|priority| format!("subtasks:default:{priority}"));
    for key in &keys {
        stack.redis.command(&["RENAME", key, &format!("aside:{key}")]);
        stack.redis.command(&["SET", key, "no stream"]);
    }
    await_verdict(&stack, "worker", worker, 1);
    for key in &keys {
        stack.redis.command(&["RENAME", &format!("aside:{key}"), key]); // with its group: nothing has to be made anew
    }
    await_verdict(&stack, "worker", worker, 0);
    let id = stack.client.submit(&body::simulated(3));
    stack.await_status(&id, "completed");
}

#[test]
fn a_projector_that_can_fold_nothing_is_unhealthy_until_it_can() {
    let stack = Plan::workers(1).start();
    let projector = &stack.projectors[0];
    await_verdict(&stack, "projector", projector, 0);
    stack.redis.command(&["SET", "tasks:failed", "no index"]);
    let id = stack.client.submit(&body::simulated(3));
    await_verdict(&stack, "projector", projector, 1);
    stack.redis.command(&["DEL", "tasks:failed"]);
    await_verdict(&stack, "projector", projector, 0);
    stack.await_status(&id, "completed");
}

#[test]
fn a_worker_that_cannot_deliver_to_webhooks_is_unhealthy_though_it_works() {
    let stack = Plan::workers(1).start();
    let worker = &stack.workers[0];
    let made = stack.client.post("/webhooks", &json!({ "url": "https://hooks.example.org/" }));
    assert_eq!(made.status, 201, "{}", made.body);
    worker.wait_line(SOON, ".webhooks] ready");
    await_verdict(&stack, "worker", worker, 0);
    // All keys but those of the queue of deliveries.
    stack.redis.command(&["ACL", "SETUSER", "default", "resetkeys", "~[^s]*", "~subtasks:default:*"]);
    await_verdict(&stack, "worker", worker, 1);
    let id = stack.client.submit(&body::simulated(1));
    stack.await_status(&id, "completed");
    stack.redis.command(&["ACL", "SETUSER", "default", "allkeys"]);
    await_verdict(&stack, "worker", worker, 0);
}

fn await_verdict(stack: &Stack, role: &str, process: &Process, code: i32) {
    let mut settings: Settings = stack.settings().clone();
    settings.extend(process.settings().clone());
    let deadline = if code == 0 { SOON } else { NOTICED };
    eventually(deadline, &format!("{role} answers {code}"), || {
        let finished = run(&["healthcheck", role], &settings, stack.directory());
        assert_eq!(finished.out.lines().count(), 1, "one line: {finished:?}");
        assert_eq!(finished.out.starts_with("healthy"), finished.code == Some(0), "{finished:?}");
        (finished.code == Some(code)).then_some(())
    });
}
