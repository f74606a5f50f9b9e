//! TASK-10: plans with dependencies, from their names to the order in which they run.

use crate::stage::stage;
use serde_json::{Value, json};

/// A plan of named subtasks out of `name: parents` lines.
fn plan(lines: &[&str]) -> Value {
    let subtask = |line: &&str| {
        let (name, parents) = line.split_once(':').unwrap_or((line, ""));
        json!({ "name": name, "description": name, "depends_on": parents.split_whitespace().collect::<Vec<_>>() })
    };
    json!({ "description": "a graph", "subtasks": lines.iter().map(subtask).collect::<Vec<_>>() })
}

#[tokio::test]
async fn subtasks_wait_for_their_parents_and_say_so() {
    let stage = stage().await;
    let id = stage.submit(&plan(&["last: left right", "first", "left: first", "right: first"]).to_string()).await;
    assert_eq!(stage.statuses(&id).await, ["blocked", "queued", "blocked", "blocked"]);
    let last = stage.task(&id).await["subtasks"][0]["depends_on"].clone();
    assert_eq!(
        last,
        json!([
            { "name": "left", "index": 2, "on_failure": "fail_fast" },
            { "name": "right", "index": 3, "on_failure": "fail_fast" },
        ])
    );

    let first = stage.fetch(10).await;
    assert_eq!(first.len(), 1, "only what may run is there");
    stage.complete(&first[0], "1").await;
    stage.fold().await;
    assert_eq!(stage.statuses(&id).await, ["blocked", "completed", "queued", "queued"]);
    let task = stage.task(&id).await;
    assert!(task["subtasks"][1].get("depends_on").is_none() && task["subtasks"][1].get("generation").is_none());
    stage.work().await;
    assert_eq!(stage.task(&id).await["status"], "completed");
}

#[tokio::test]
async fn what_a_failure_means_is_the_dependants_own_choice() {
    let stage = stage().await;
    let body = json!({ "description": "d", "subtasks": [
        { "name": "fails", "description": "d", "max_attempts": 1 },
        { "name": "skipped", "description": "d", "depends_on": [{ "name": "fails", "on_failure": "skip" }] },
        { "name": "goes_on", "description": "d", "depends_on": [{ "name": "fails", "on_failure": "continue" }] },
        { "description": "d", "depends_on": [{ "name": "skipped", "on_failure": "skip" }, { "name": "goes_on" }] },
    ]});
    let id = stage.submit(&body.to_string()).await;
    let entries = stage.fetch(10).await;
    stage.bury(&entries[0], "broken").await;
    stage.fold().await;
    assert_eq!(stage.statuses(&id).await, ["failed", "cancelled", "queued", "cancelled"]);
    let skipped = stage.task(&id).await["subtasks"][1].clone();
    assert_eq!((&skipped["reason"], skipped.get("attempt")), (&json!("skipped"), None));
    stage.work().await;
    assert_eq!(stage.task(&id).await["status"], "failed");
}

#[tokio::test]
async fn the_entry_of_a_dependant_names_its_parents_and_keeps_its_backoff() {
    let stage = stage().await;
    let body = json!({ "description": "d", "subtasks": [
        { "name": "a", "description": "d", "backoff": { "base_seconds": 0.25 } },
        { "description": "d", "depends_on": ["a"], "backoff": { "base_seconds": 600 } },
        { "description": "d", "backoff": { "cap_seconds": 0.5 } },
    ]});
    stage.submit(&body.to_string()).await;
    let entries = stage.fetch(10).await;
    let backoff = |at: usize, entries: &[redis_store::fetch::Fetched]| {
        let entry = entries[at].entry.as_ref().expect("a sound entry");
        (entry.backoff_base_ms, entry.backoff_cap_ms)
    };
    assert_eq!(backoff(0, &entries), (Some(250), None));
    assert_eq!(backoff(1, &entries), (Some(500), Some(500)), "a cap bounds the usual base");
    stage.complete(&entries[0], "1").await;
    stage.fold().await;
    let released = stage.fetch(10).await;
    assert_eq!(backoff(0, &released), (Some(600_000), Some(600_000)), "a base raises the usual cap");
    let entry = released[0].entry.as_ref().expect("a sound entry");
    assert_eq!((entry.parents[0].name.as_str(), entry.parents[0].index), ("a", 0));
}

#[tokio::test]
async fn a_plan_that_is_no_graph_is_refused_by_edge_and_stores_nothing() {
    let stage = stage().await;
    let before = stage.footprint();
    let many: Vec<String> = (0..51).map(|number| format!("n{number}")).collect();
    let too_many = format!("last: {}", many.join(" "));
    let mut wide: Vec<&str> = many.iter().map(String::as_str).collect();
    wide.push(&too_many);
    let ring: Vec<String> = (0..1_000).map(|at| format!("n{at}: n{}", (at + 999) % 1_000)).collect();
    for (lines, pointers) in [
        (vec!["a: a"], vec!["/subtasks/0/depends_on/0"]),
        (vec!["a: b", "b: a"], vec!["/subtasks/0/depends_on/0"]),
        (vec!["a: b x", "b: c", "c: b"], vec!["/subtasks/0/depends_on/1", "/subtasks/1/depends_on/0"]),
        (vec!["a", "b: a a"], vec!["/subtasks/1/depends_on/1"]),
        (wide, vec!["/subtasks/51/depends_on"]),
        (ring.iter().map(String::as_str).collect(), vec!["/subtasks/0/depends_on/0"]),
    ] {
        let problem = stage.post("/tasks", plan(&lines).to_string()).await.problem(422, "rule_violated");
        let errors = problem["errors"].as_array().expect("a list");
        let told: Vec<&str> = errors.iter().map(|error| error["pointer"].as_str().expect("a pointer")).collect();
        assert_eq!(told, pointers, "{problem}");
    }
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn a_chain_of_a_thousand_is_accepted() {
    let stage = stage().await;
    let chain: Vec<String> =
        (0..1_000).map(|at| if at == 0 { "n0".to_owned() } else { format!("n{at}: n{}", at - 1) }).collect();
    let lines: Vec<&str> = chain.iter().map(String::as_str).collect();
    let id = stage.submit(&plan(&lines).to_string()).await;
    let task = stage.task(&id).await;
    assert_eq!(
        (&task["subtasks"][0]["status"], &task["subtasks"][999]["status"]),
        (&json!("queued"), &json!("blocked"))
    );
    assert_eq!(stage.redis.command(&["XLEN", "subtasks:default:medium"]).integer(), 1);
}
