//! One task is one trace, from its request to its fold, and without a collector nothing is different.

use crate::collector::{Collector, Seen};
use rustix::process::Signal;
use serde_json::json;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON, Stack, free_port};

const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_OF_CLIENT: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn a_task_with_a_failing_attempt_and_a_dependant_is_one_trace() {
    let collector = Collector::start();
    let stack = Plan::workers(1)
        .set("OTLP_ENDPOINT", collector.endpoint())
        .set("LOG_FORMAT", "json")
        .set("LOG_LEVEL", "info,orchestrator=debug")
        .start();
    let fails = json!({ "name": "fails", "description": "d", "kind": "test_task", "max_attempts": 2,
        "backoff": { "base_seconds": 0.001, "cap_seconds": 0.001 }, "params": { "success_rate": 0, "duration": 0 } });
    let goes_on = json!({ "description": "d", "depends_on": [{ "name": "fails", "on_failure": "continue" }] });
    let id = stack.client.submit(&json!({ "description": "d", "subtasks": [fails, goes_on] }));
    stack.await_status(&id, "failed");

    let twice = |name| [name, name];
    let trace = collector.await_trace(
        &id,
        &[
            &["POST /tasks", "plan", "submit", "retry", "bury", "settle", "queue simulate", "process simulate"][..],
            &twice("queue test_task"),
            &twice("process test_task"),
            &["fold"],
        ]
        .concat(),
    );
    let only = |name: &str| one(&trace, name);
    let (request, submit, run) = (only("POST /tasks"), only("submit"), only("process simulate"));
    assert_eq!((request.parent.as_str(), request.kind, &*request.service), ("", 2, "millstream-orchestrator"));
    assert_eq!(
        (&request.attributes["http.route"], &request.attributes["http.response.status_code"]),
        (&"/tasks".into(), &"202".into())
    );
    assert_eq!((&submit.parent, submit.kind), (&request.id, 4));
    assert_eq!(only("plan").parent, request.id);
    let attempts: Vec<&Seen> = trace.iter().filter(|span| span.name == "process test_task").collect();
    for (span, attempt, outcome) in
        [(&attempts[0], "1", "retried"), (&attempts[1], "2", "failed"), (&&run, "1", "completed")]
    {
        assert_eq!((&span.parent, span.kind, &*span.service), (&submit.id, 5, "millstream-worker"));
        assert_eq!(
            (&*span.attributes["millstream.attempt"], &*span.attributes["millstream.outcome"]),
            (attempt, outcome)
        );
        assert_eq!(span.attributes["messaging.destination.name"], "subtasks:default:medium");
    }
    for (name, run) in [("retry", attempts[0]), ("bury", attempts[1]), ("settle", &run)] {
        assert_eq!((only(name).parent, only(name).kind), (run.id.clone(), 3), "{name}");
        assert_eq!(only(name).attributes["messaging.message.id"], run.attributes["messaging.message.id"]);
    }
    for fold in trace.iter().filter(|span| span.name == "fold") {
        assert_eq!((&fold.parent, &*fold.service), (&submit.id, "millstream-projector"));
    }
    assert!(trace.iter().all(|span| span.took_ns >= 0), "{trace:#?}");
    stack.orchestrator.wait_line(SOON, &format!("\"trace_id\":\"{}\"", submit.trace));
}

#[test]
fn a_client_with_a_trace_keeps_it_and_is_linked_and_one_without_sense_counts_as_without() {
    let collector = Collector::start();
    let stack = Plan::workers(1).set("OTLP_ENDPOINT", collector.endpoint()).start();
    let submit = |traceparent: &str, names: &[&str]| {
        let answer = stack.client.try_post_within("/tasks", traceparent, &body::simulated(1)).expect("an answer");
        let id = answer.json()["task_id"].as_str().expect("an id").to_owned();
        let trace = collector.await_trace(&id, names);
        (one(&trace, "submit"), trace)
    };
    let (followed, _) = submit(CLIENT, &["submit", "process simulate", "fold"]);
    assert_eq!((&*followed.parent, &followed.links[..]), ("", &[TRACE_OF_CLIENT.to_owned()][..]));
    let requests = || collector.spans().into_iter().find(|span| span.name == "POST /tasks");
    let request = eventually(SOON, "the request has a span", requests);
    assert_eq!((&*request.trace, &*request.parent), (TRACE_OF_CLIENT, "00f067aa0ba902b7"));
    assert_eq!(request.links, [followed.trace]);

    let malformed = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
    let (stray, of_stray) = submit(malformed, &["POST /tasks", "submit", "process simulate", "fold"]);
    assert!(stray.trace != TRACE_OF_CLIENT && stray.links.is_empty(), "{stray:?}");
    assert_eq!(one(&of_stray, "POST /tasks").id, stray.parent);

    let both = json!({ "tasks": [body::simulated(1), body::simulated(1)] });
    let answer = stack.client.post("/tasks/batch", &both).json();
    let traces = [0, 1].map(|at| {
        let id = answer["tasks"][at]["task_id"].as_str().expect("an id").to_owned();
        one(&collector.await_trace(&id, &["submit", "plan", "process simulate", "fold"]), "submit")
    });
    assert_ne!(traces[0].trace, traces[1].trace, "each task has its own");
    assert_eq!(traces[0].links, traces[1].links, "and names the request that brought both");
}

#[test]
fn an_entry_carries_its_trace_only_where_traces_are_on_and_take_it() {
    let collector = Collector::start();
    let carried = |stack: &Stack| {
        let answer = stack.client.try_post_within("/tasks", CLIENT, &body::simulated(1)).expect("an answer");
        assert_eq!(answer.status, 202, "{}", answer.body);
        let entry = stack.entries().into_iter().next().expect("an entry");
        (answer.json()["task_id"].as_str().expect("an id").to_owned(), entry.get("traceparent").cloned())
    };
    let on = || Plan::workers(0).set("OTLP_ENDPOINT", collector.endpoint());
    let stack = on().start();
    let (id, traceparent) = carried(&stack);
    let submit = one(&collector.await_trace(&id, &["submit"]), "submit");
    assert_eq!(traceparent, Some(format!("00-{}-{}-01", submit.trace, submit.id)));
    assert_eq!(carried(&on().set("TRACE_RATIO", 0).start()).1, None, "this task is not recorded");
    assert_eq!(carried(&Plan::workers(0).start()).1, None, "nothing is");
}

#[test]
fn a_collector_that_is_away_is_told_once_and_disturbs_nobody() {
    let stack = Plan::workers(1).set("OTLP_ENDPOINT", format!("http://127.0.0.1:{}", free_port())).start();
    for _ in 0..3 {
        let id = stack.client.submit(&body::simulated(3));
        stack.await_status(&id, "completed");
        for process in all(&stack) {
            process.wait_line(SOON, "spans are lost");
        }
    }
    stack.audit();
    for process in all(&stack) {
        process.signal(Signal::TERM);
        assert!(process.wait_exit(SOON).success());
        assert_eq!(process.log().all("spans are lost").len(), 1, "{:?}", process.log().lines());
    }
}

fn all(stack: &Stack) -> impl Iterator<Item = &system_tests::process::Process> {
    [&stack.orchestrator].into_iter().chain(&stack.workers).chain(&stack.projectors)
}

/// The only span of this name.
fn one(trace: &[Seen], name: &str) -> Seen {
    let found: Vec<&Seen> = trace.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {trace:#?}");
    found[0].clone()
}
