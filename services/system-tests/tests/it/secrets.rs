//! Issue 4, secrets: whatever happens, and however much is logged, a secret stands nowhere but where it is kept; and
//! what a task carries is in no log and in no audit.

mod acts;
mod canary;
mod scene;

use crate::collector::Collector;
use canary::{Canary, Told};
use rustix::process::Signal;
use scene::Scene;
use serde_json::json;
use system_tests::process::{Settings, run};
use system_tests::receiver::Receiver;
use system_tests::stack::{Plan, SOON, free_port};

#[test]
fn a_secret_stands_nowhere_but_where_it_is_kept() {
    let receiver = Receiver::start(&["503 Service Unavailable\r\nRetry-After: 0", "200 OK"]);
    let (collector, nobody) = (Collector::start(), format!("127.0.0.1:{}", free_port()));
    let mut scene = Scene::start(&receiver, &collector, &nobody);
    scene.use_keys();
    scene.misuse();
    scene.change();
    scene.deliver(&receiver, &nobody);
    scene.lose_redis();
    scene.look();
    scene.end();
    for span in collector.spans() {
        scene.told.add("a span", format!("{span:?}"));
    }
    let has_key = |header: &String| header.ends_with(scene::COLLECTOR_KEY);
    assert!(collector.headers().iter().any(has_key), "the collector was never shown its key");
    let leaks = scene.told.leaks(&scene.canaries(), |_, _| false);
    assert!(leaks.is_empty(), "{leaks}");
    for (place, text) in [
        ("redis webhooks", "whsec_"),
        ("redis api-keys", "digest"),
        ("redis audit", "revoke"),
        ("the orchestrator", "TRACE"),
        ("a projector", "TRACE"),
        ("the worker's file", "\"level\":\"TRACE\""),
        ("a span", "POST /tasks"),
        ("/metrics of", "millstream_build_info"),
        ("the answer 401", "unauthenticated"),
    ] {
        assert!(scene.told.has(place, text), "nothing was looked through: {place} has no {text}");
    }
}

const SECRET: &str = "hunter2";

#[test]
fn a_start_that_fails_says_for_which_setting_and_not_for_which_value() {
    let directory = tempfile::tempdir().expect("a directory");
    let short = format!("{SECRET}-is-too-short");
    let words = format!("{SECRET} and more");
    let [redis, address, api, origin, host] = [
        format!("redis://:{SECRET}@host:port/0"),
        format!("http://miller:{SECRET}@collector:4318"),
        format!("ftp://miller:{SECRET}@api"),
        format!("https://miller:{SECRET}@example.org"),
        format!("miller:{SECRET}@hooks:443"),
    ];
    for (arguments, name, value) in [
        (&["orchestrator"][..], "REDIS_URL", &redis),
        (&["worker"], "REDIS_URL", &redis),
        (&["projector"], "REDIS_URL", &redis),
        (&["keys", "list"], "REDIS_URL", &redis),
        (&["redis-cli", "PING"], "REDIS_URL", &redis),
        (&["orchestrator"], "JWT_SECRET", &short),
        (&["up"], "JWT_SECRET", &short),
        (&["orchestrator"], "JWT_SECRET", &words),
        (&["worker"], "OTLP_ENDPOINT", &address),
        (&["orchestrator"], "CORS_ORIGINS", &origin),
        (&["worker"], "WEBHOOK_ALLOW", &host),
        (&["get", "x"], "MILLSTREAM_URL", &api),
        (&["get", "x"], "MILLSTREAM_API_KEY", &words),
    ] {
        let port = free_port().to_string();
        let settings: Settings = [
            ("AUTH", if name == "JWT_SECRET" { "jwt" } else { "keys" }),
            ("LOG_LEVEL", "trace"),
            ("ORCHESTRATOR_PORT", &port),
            ("REDIS_PORT", &port),
            (name, value),
        ]
        .map(|(name, it)| (name.to_owned(), it.to_owned()))
        .into();
        let finished = run(arguments, &settings, directory.path());
        let said = format!("{}{}", finished.out, finished.err);
        assert_eq!(finished.code, Some(2), "{arguments:?} with {name}: {said}");
        assert!(said.contains(name) && !said.contains(SECRET), "{arguments:?} with {name}: {said}");
    }
}

const PAYLOAD: &str = "c4n4ry-of-a-payload";

#[test]
fn what_a_task_carries_is_in_no_log_and_in_no_audit() {
    let collector = Collector::start();
    let stack = Plan::workers(1).set("OTLP_ENDPOINT", collector.endpoint()).start();
    let of = |kind: &str, params| json!({ "description": PAYLOAD, "kind": kind, "params": params, "max_attempts": 1 });
    let carried = |subtasks| json!({ "description": PAYLOAD, "context": { "a": PAYLOAD }, "subtasks": subtasks });
    let done = stack.client.submit(&carried(json!([of("simulate", json!({ "b": PAYLOAD }))])));
    let failed = stack.client.submit(&carried(json!([of("test_task", json!({ "duration": PAYLOAD }))])));
    stack.await_status(&done, "completed");
    stack.await_status(&failed, "failed");
    for (path, body) in [
        (
            "/tasks/batch",
            json!({ "tasks": [carried(json!([of("simulate", json!({}))])), { "description": 5, "x": PAYLOAD }] }),
        ),
        ("/tasks", json!({ "description": PAYLOAD, "priority": PAYLOAD })),
        ("/assign-task", json!({ "task_type": PAYLOAD, "description": PAYLOAD })),
        (&format!("/tasks/{done}/replay"), json!({ "subtasks": [PAYLOAD] })),
        (&format!("/tasks/{failed}/replay"), json!({})),
        ("/dead-letters/requeue", json!({ "matching": { "reason": format!("{PAYLOAD} of two words") } })),
        ("/webhooks", json!({ "url": PAYLOAD })),
    ] {
        stack.client.post(path, &body);
    }
    stack.await_drained(SOON);
    stack.audit();
    let mut told = Told::default();
    for process in [&stack.orchestrator].into_iter().chain(&stack.workers).chain(&stack.projectors) {
        process.signal(Signal::TERM);
        process.wait_exit(SOON);
    }
    stack.orchestrator.wait_line(SOON, "ended");
    told.add_log("the orchestrator", &stack.orchestrator);
    stack.workers.iter().for_each(|worker| told.add_log("a worker", worker));
    stack.projectors.iter().for_each(|projector| told.add_log("a projector", projector));
    collector.spans().iter().for_each(|span| told.add("a span", format!("{span:?}")));
    told.add_redis(&stack);
    let data = &["task:", "result:", "dead-letters", "plan:", "subtasks:", "delayed:body"];
    let canary = Canary::kept_in("payload", PAYLOAD, data);
    // What FLOW-7 wants to be seen.
    let is_wanted = |place: &str, line: &str| place == "a worker" && line.contains("Processing: ");
    let leaks = told.leaks(&[canary], is_wanted);
    assert!(leaks.is_empty(), "{leaks}");
    for (place, text) in
        [("redis audit", "/replay"), ("redis dead-letters", PAYLOAD), ("a worker", PAYLOAD), ("a span", &done)]
    {
        assert!(told.has(place, text), "nothing was looked through: {place} has no {text}");
    }
}
