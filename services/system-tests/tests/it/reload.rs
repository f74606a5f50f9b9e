//! Redis reads back from its disk what it had: the same books to the last field.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON, Stack};

const STREAMS: [&str; 6] = [
    "subtasks:default:critical",
    "subtasks:default:high",
    "subtasks:default:medium",
    "subtasks:default:low",
    "events",
    "dead-letters",
];

#[test]
fn a_rewritten_log_reads_back_as_it_was() {
    check_reload(Plan::workers(1).durable(), |stack| stack.redis.rewrite_log());
}

#[test]
fn a_snapshot_reads_back_as_it_was() {
    check_reload(Plan::workers(1), |stack| {
        assert_eq!(stack.redis.command(&["SAVE"]).text(), "OK");
    });
}

fn check_reload(plan: Plan, save: impl Fn(&Stack)) {
    let mut stack = plan.start();
    let ids = fill(&mut stack);
    let before = books(&stack, &ids);
    save(&stack);
    stack.restart_redis();
    let after = books(&stack, &ids);
    for (name, value) in &before {
        assert_eq!(after.get(name), Some(value), "{name}");
    }
    assert_eq!(after.len(), before.len());

    stack.add_projector();
    stack.add_worker();
    for id in &ids {
        if stack.client.task(id)["status"] == "queued" || stack.client.task(id)["status"] == "processing" {
            stack.await_status(id, "completed");
        }
    }
    stack.audit();
}

/// A task in every state that a task may be in, and nobody to change it.
fn fill(stack: &mut Stack) -> Vec<String> {
    let failing =
        json!({ "description": "d", "kind": "test_task", "max_attempts": 1, "params": { "success_rate": 0 } });
    let failing = stack.client.submit(&json!({ "description": "d", "subtasks": [failing] }));
    let replayed = stack.client.submit(&body::graph(&["a", "b: a"]));
    stack.await_status(&failing, "failed");
    stack.await_status(&replayed, "completed");
    stack.workers[0].stop();
    stack.workers[0].kill();
    let cancelled = stack.client.submit(&body::simulated(600));
    stack.client.cancel(&cancelled);
    assert_eq!(stack.client.post(&format!("/tasks/{replayed}/replay"), &json!({})).status, 202);
    let delayed = stack.client.submit(&json!({ "description": "an api", "delay_seconds": 3 }));
    let blocked = stack.client.submit(&body::graph(&["last: left right", "first", "left: first", "right: first"]));
    stack.add_worker();
    stack.await_status(&blocked, "completed");
    let held = stack.client.submit(&body::lasting(2, 2.0));
    eventually(SOON, "both run", || (stack.fact_count(&held, "started") == 2).then_some(()));
    stack.workers.last().expect("a worker").kill();
    let waiting = stack.client.submit(&body::graph(&["x", "y: x", "z: x y"]));
    eventually(SOON, "all is folded", || (unfolded(stack) == 0).then_some(()));
    stack.projectors.pop().expect("a projector").kill();
    vec![failing, replayed, cancelled, delayed, blocked, held, waiting]
}

fn unfolded(stack: &Stack) -> i64 {
    let groups = stack.redis.command(&["XINFO", "GROUPS", "events"]);
    let group = system_tests::books::fields(&groups.items()[0]);
    let number = |name: &str| group[name].parse::<i64>().unwrap_or(1);
    number("pending") + number("lag")
}

/// Everything that must not change: documents, streams with their groups, hashes, indexes, and what the audit says.
fn books(stack: &Stack, ids: &[String]) -> BTreeMap<String, String> {
    let mut books = BTreeMap::new();
    for id in ids {
        let document: Value = stack.client.task(id);
        books.insert(format!("document {id}"), document.to_string());
        for key in ["task", "outcomes", "plan"] {
            books.insert(format!("{key} {id}"), format!("{:?}", stack.hash(&format!("{key}:{id}"))));
        }
    }
    let mut tell = |command: &[&str]| {
        books.insert(command.join(" "), format!("{:?}", stack.redis.command(command)));
    };
    for stream in STREAMS {
        tell(&["XRANGE", stream, "-", "+"]);
        tell(&["XINFO", "GROUPS", stream]);
    }
    for stream in &STREAMS[..4] {
        tell(&["XPENDING", stream, "workers"]);
    }
    for index in ["tasks", "tasks:queued", "tasks:processing", "tasks:completed", "tasks:failed", "tasks:cancelled"] {
        tell(&["ZRANGE", index, "0", "-1", "WITHSCORES"]);
    }
    tell(&["ZRANGE", "delayed", "0", "-1", "WITHSCORES"]);
    tell(&["ZRANGE", "lifetimes", "0", "-1", "WITHSCORES"]);
    let audit = stack.run(&["audit", "--json"]);
    books.insert("audit".to_owned(), format!("{:?} {}", audit.code, audit.out));
    assert_eq!(audit.code, Some(0), "{audit:?}");
    books
}
