//! API-8: what operators do from the command line stands in the audit too.

use serde_json::json;
use std::collections::BTreeMap;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::process::{Settings, run};
use system_tests::redis::Reply;
use system_tests::stack::{Plan, SOON, Stack};

type Entry = BTreeMap<String, String>;

fn audit(stack: &Stack) -> Vec<Entry> {
    let fields = |entry: &Reply| -> Entry {
        let texts: Vec<String> = entry.items()[1].items().iter().map(Reply::text).collect();
        texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    };
    stack.redis.command(&["XRANGE", "audit", "-", "+"]).items().iter().map(fields).collect()
}

fn line(entry: &Entry) -> String {
    ["operation", "object", "status", "code", "detail"].map(|name| entry[name].as_str()).join(" ")
}

#[test]
fn what_is_done_to_keys_is_noted_with_who_did_it_and_never_with_the_key() {
    let stack = Plan::workers(0).set("AUTH", "keys").start();
    let made = stack.run(&["keys", "create", "ci", "--scope", "read"]).out.trim().to_owned();
    let id = made.split('_').nth(1).expect("an id").to_owned();
    let turned = stack.run(&["keys", "rotate", &id, "--overlap-hours", "1"]).out.trim().to_owned();
    for (id, code) in [(&id, 0), (&id, 3), (&made, 3)] {
        assert_eq!(stack.run(&["keys", "revoke", id]).code, Some(code));
    }
    assert_eq!(stack.run(&["keys", "list"]).code, Some(0));
    let told = audit(&stack);
    assert_eq!(
        told.iter().map(line).collect::<Vec<_>>(),
        [
            format!("create_key api-keys/{id} 200  name=ci scope=read"),
            format!("rotate_key api-keys/{id} 200  overlap_hours=1"),
            format!("revoke_key api-keys/{id} 200  "),
            format!("revoke_key api-keys/{id} 404 key_not_found "),
            "revoke_key api-keys/* 404 key_not_found ".to_owned(),
        ]
    );
    for entry in &told {
        let (user, host) = entry["client"].strip_prefix("cli:").and_then(|it| it.split_once('@')).expect("who it was");
        assert!(!user.is_empty() && !host.is_empty(), "{entry:?}");
        assert_eq!((entry["at"].len(), entry["request_id"].len(), entry["address"].as_str()), (24, 26, ""));
    }
    for secret in [&made, &turned] {
        assert!(!format!("{told:?}").contains(secret.rsplit('_').next().expect("a secret")));
    }
}

#[test]
fn what_is_counted_again_or_mended_is_noted_before_and_after() {
    let stack = Plan::workers(1).start();
    let id = stack.client.submit(&body::simulated(2));
    stack.await_status(&id, "completed");
    stack.redis.command(&["HINCRBY", &format!("task:{id}"), "completed", "1"]);
    assert_eq!(stack.run(&["audit"]).code, Some(1), "only looked at");
    let mended = stack.run(&["audit", "--repair"]);
    assert_eq!(mended.code, Some(0), "{mended:?}");
    assert_eq!(stack.run(&["rebuild"]).code, Some(0));
    assert_eq!(stack.run(&["rebuild", &id]).code, Some(0));
    assert_eq!(stack.run(&["rebuild", "none"]).code, Some(3));
    let told: Vec<Entry> = audit(&stack).into_iter().filter(|entry| entry["client"].starts_with("cli:")).collect();
    let lines: Vec<String> = told.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "repair_books /tasks 202  ".to_owned(),
            format!("repair_books /tasks 200  repairs=2 tasks={id} left=0"),
            "rebuild_tasks /tasks 202  ".to_owned(),
            "rebuild_tasks /tasks 200  tasks=1 gone=0 reopened=0 facts=0".to_owned(),
            format!("rebuild_task /tasks/{id} 202  "),
            format!("rebuild_task /tasks/{id} 200  tasks=1 gone=0 reopened=0 facts=0"),
            "rebuild_task /tasks/none 202  ".to_owned(),
            "rebuild_task /tasks/none 404 task_not_found ".to_owned(),
        ]
    );
    for pair in told.chunks(2) {
        assert_eq!(pair[0]["request_id"], pair[1]["request_id"], "{pair:?}");
    }
    assert_ne!(told[0]["request_id"], told[2]["request_id"]);
}

#[test]
fn a_command_that_asks_the_api_is_noted_as_its_client() {
    let stack = Plan::workers(1).set("AUTH", "keys").start();
    let key = stack.run(&["keys", "create", "ops", "--scope", "admin"]).out.trim().to_owned();
    let client = stack.client.bearing(&key);
    let failing = json!({ "description": "d", "kind": "test_task", "max_attempts": 1, "params": {"success_rate": 0} });
    client.submit(&json!({ "description": "d", "subtasks": [failing] }));
    eventually(SOON, "it is buried", || (stack.redis.command(&["XLEN", "dead-letters"]).integer() == 1).then_some(()));
    let settings: Settings = [("MILLSTREAM_URL", stack.client.base()), ("MILLSTREAM_API_KEY", &*key)]
        .map(|(name, it)| (name.to_owned(), it.to_owned()))
        .into();
    let run = |arguments: &[&str]| run(arguments, &settings, stack.directory());
    let discarded = run(&["dead-letters", "discard", "--kind", "test_task", "--yes"]);
    assert_eq!(discarded.code, Some(0), "{discarded:?}");
    let told = eventually(SOON, "it is noted", || {
        let told = audit(&stack).into_iter().filter(|entry| entry["operation"] == "discard_dead_letters");
        Some(told.collect::<Vec<_>>()).filter(|it| it.len() == 2)
    });
    let id = format!("key:{}", key.split('_').nth(1).expect("an id"));
    assert!(told.iter().all(|entry| entry["client"] == id), "{told:?}");
    assert_eq!(
        line(&told[0]),
        "discard_dead_letters /dead-letters/discard 200  kind=test_task dry_run=true matched=1 discarded=0 left=0"
    );
    let (head, tail) =
        ("discard_dead_letters /dead-letters/discard 200  kind=test_task before=", " matched=1 discarded=1 left=0");
    assert!(line(&told[1]).starts_with(head) && line(&told[1]).ends_with(tail), "{told:?}");
}
