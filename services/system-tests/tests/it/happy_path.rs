//! A task through each door, from its POST to its results.

use serde_json::{Value, json};
use std::collections::HashSet;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON, Stack};

const STEPS: [&str; 4] = [
    "Design user database schema",
    "Implement JWT token generation",
    "Create login/logout endpoints",
    "Add password hashing with bcrypt",
];

#[test]
fn a_task_goes_from_post_to_completed_and_leaves_a_result_for_each_subtask() {
    let stack = Plan::workers(2).start();
    let answer = stack.client.post("/tasks", &body::authentication());
    assert_eq!(answer.status, 202, "{}", answer.body);
    let accepted = answer.json();
    let id = accepted["task_id"].as_str().expect("an id").to_owned();
    assert!(answer.header("location").expect("a Location").ends_with(&format!("/tasks/{id}")));
    assert_eq!(id.len(), 26, "a ULID");
    assert_eq!((&accepted["status"], &accepted["priority"]), (&json!("queued"), &json!("medium")));
    assert_eq!(descriptions(&accepted), STEPS);

    let done = stack.await_status(&id, "completed");
    assert_eq!(descriptions(&done), STEPS);
    assert_eq!(done["created_at"], accepted["created_at"]);
    assert!(done["updated_at"].as_str() > done["created_at"].as_str(), "{done:#}");
    let status = stack.run(&["redis-cli", "HGET", &format!("task:{id}"), "status"]);
    assert_eq!((status.code, status.out.trim_matches('"')), (Some(0), "completed"), "{}", status.err);
    for (index, step) in STEPS.iter().enumerate() {
        let subtask = &done["subtasks"][index];
        assert_eq!(subtask["subtask_id"], json!(format!("{id}-{index}")));
        assert_eq!(subtask["status"], "completed");
        check_result(&stack, &id, index, step);
    }
    stack.audit();
}

fn check_result(stack: &Stack, id: &str, index: usize, step: &str) {
    let subtask_id = format!("{id}-{index}");
    let result: Value = serde_json::from_str(&stack.result(&subtask_id)).expect("a result in JSON");
    assert_eq!(result["subtask_id"], json!(subtask_id));
    assert_eq!((&result["task_id"], &result["status"]), (&json!(id), &json!("completed")));
    assert_eq!(result["description"], step);
    assert!(result["worker_id"].as_str().is_some_and(|worker| worker.starts_with("worker-")), "{result}");
    assert!(result["completed_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{result}");
    assert!(result["output"].is_object(), "{result}");
    let ttl = stack.redis.command(&["TTL", &format!("result:{subtask_id}")]).integer();
    assert!((86_000..=86_400).contains(&ttl), "{ttl}");
}

#[test]
fn what_one_door_accepted_can_be_read_at_the_other() {
    let stack = Plan::workers(1).start();
    for path in ["/assign-task/", "/assign-task"] {
        let answer = stack.client.post(path, &json!({ "task_type": "test_task", "params": {} }));
        let assigned = answer.json();
        assert_eq!((answer.status, &assigned["status"]), (200, &json!("assigned")), "{}", answer.body);
        assert_eq!(assigned["message"], "Task 'test_task' successfully assigned");
        let id = assigned["task_id"].as_str().expect("an id");
        let done = await_result(&stack, id, "completed");
        assert!(done["result"].is_object() && done["timestamp"].is_string(), "{done}");
        assert_eq!(stack.client.task(id)["status"], "completed");
    }
    let failing = json!({ "task_type": "test_task", "params": { "success_rate": 0 } });
    let id = stack.client.post("/assign-task/", &failing).json()["task_id"].as_str().expect("an id").to_owned();
    assert!(await_result(&stack, &id, "failed")["error"].is_string());
    assert_eq!(stack.client.task(&id)["status"], "failed");

    let id = stack.client.submit(&body::authentication());
    await_result(&stack, &id, "completed");
    assert_eq!(stack.client.get("/result/01ARZ3NDEKTSV4RRFFQ69G5FAV").status, 404);
    stack.audit();
}

#[test]
fn rules_in_a_file_replace_the_built_in_ones() {
    let rules = tempfile::NamedTempFile::new().expect("a file");
    let text = r#"
        [[rule]]
        contains = "AUTHENTICATION"
        steps = [{ description = "Ask first: {description}" }, { description = "Then try", kind = "test_task" }]
        [fallback]
        steps = [{ description = "Only this" }]
    "#;
    std::fs::write(rules.path(), text).expect("the file is written");
    let stack = Plan::workers(1).set("PLAN_RULES", rules.path().display()).start();
    let id = stack.client.submit(&body::authentication());
    let done = stack.await_status(&id, "completed");
    assert_eq!(descriptions(&done), ["Ask first: Build a user authentication system", "Then try"]);
    assert_eq!(done["subtasks"][1]["kind"], "test_task");
    let id = stack.client.submit(&json!({ "description": "an api" }));
    assert_eq!(descriptions(&stack.await_status(&id, "completed")), ["Only this"]);
}

#[test]
fn three_workers_share_a_small_burst_and_a_backlog_and_run_nothing_twice() {
    let stack = Plan::workers(3).set("WORKER_SLOTS", 1).set("SIMULATE_SECONDS", 0.1).set("LEASE_MS", 10_000).start();
    let id = stack.client.submit(&body::authentication());
    stack.await_status(&id, "completed");
    assert!(workers_of(&stack, &id, 4).len() >= 2, "{:?}", workers_of(&stack, &id, 4));
    assert_eq!(stack.fact_count(&id, "completed"), 4);

    let id = stack.client.submit(&body::simulated(24));
    stack.await_status(&id, "completed");
    assert_eq!(workers_of(&stack, &id, 24).len(), 3);
    assert_eq!(stack.fact_count(&id, "completed"), 24);
    let told: usize = stack.workers.iter().map(|worker| worker.log().all(&format!("(Task: {id})")).len()).sum();
    assert_eq!(told, 2 * 24, "one line when it begins and one when it ends");
    stack.workers[0].wait_line(SOON, "[worker-1] Processing: step ");
    stack.workers[0].wait_line(SOON, "[worker-1] Completed");
    stack.audit();
}

#[test]
fn a_description_of_several_lines_is_one_line_of_the_log() {
    let stack = Plan::workers(1).start();
    let forged = "2026-01-01T00:00:00.000000Z ERROR all is lost";
    let description = format!("\"naïve\"\r\n{forged}\n");
    let id = stack.client.submit(&json!({ "description": "d", "subtasks": [{ "description": description }] }));
    stack.await_status(&id, "completed");
    let line = format!(r#"[worker-1] Processing: "naïve"\r\n{forged}\n (Task: {id})"#);
    stack.workers[0].wait_line(SOON, &line);
    assert_eq!(stack.workers[0].log().all(forged).len(), 1, "it stands in that line alone");
}

fn workers_of(stack: &Stack, id: &str, count: usize) -> HashSet<String> {
    let worker = |index: usize| {
        let result: Value = serde_json::from_str(&stack.result(&format!("{id}-{index}"))).expect("a result");
        result["worker_id"].as_str().expect("a worker").to_owned()
    };
    (0..count).map(worker).collect()
}

fn descriptions(task: &Value) -> Vec<&str> {
    let subtasks = task["subtasks"].as_array().expect("subtasks");
    subtasks.iter().map(|subtask| subtask["description"].as_str().expect("a description")).collect()
}

fn await_result(stack: &Stack, id: &str, status: &str) -> Value {
    eventually(SOON, status, || {
        let answer = stack.client.get(&format!("/result/{id}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        (answer.json()["status"] == status).then(|| answer.json())
    })
}
