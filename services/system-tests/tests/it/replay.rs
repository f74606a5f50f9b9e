//! Running again what has ended.

use serde_json::{Value, json};
use std::thread;
use system_tests::body;
use system_tests::stack::{Plan, Stack};

const AT_ONCE: usize = 10;

#[test]
fn a_failed_task_runs_again_where_it_did_not_complete_and_its_history_stays() {
    let stack = Plan::workers(1).start();
    let failing = json!({ "name": "bad", "description": "badly", "kind": "test_task", "max_attempts": 1,
        "params": { "success_rate": 0 } });
    let body = json!({ "description": "one fails", "subtasks": [
        { "description": "well" },
        failing,
        { "description": "after it", "depends_on": [{ "name": "bad", "on_failure": "skip" }] },
    ] });
    let id = stack.client.submit(&body);
    assert_eq!(statuses(&stack.await_status(&id, "failed")), ["completed", "failed", "cancelled"]);

    let replayed = stack.client.post(&format!("/tasks/{id}/replay"), &json!({}));
    assert_eq!(replayed.status, 202, "{}", replayed.body);
    let done = stack.await_status(&id, "failed");
    assert_eq!(statuses(&done), ["completed", "failed", "cancelled"], "the same input fails the same way");
    let lives = |index: &str, word: &str| {
        let facts = stack.facts(&id);
        let of = facts.iter().filter(|fact| fact.index == index && fact.fact == word);
        of.map(|fact| fact.generation).collect::<Vec<_>>()
    };
    assert_eq!(
        (lives("0", "completed"), lives("1", "failed"), lives("2", "cancelled")),
        (vec![0], vec![0, 1], vec![0, 1])
    );
    let records = stack.hash(&format!("outcomes:{id}"));
    assert!(records["1"].starts_with("failed 1 0") && records["1@1"].starts_with("failed 1 0"), "{records:#?}");
    stack.audit();
}

#[test]
fn a_replay_that_is_sent_many_times_runs_once() {
    let stack = Plan::workers(2).start();
    let id = stack.client.submit(&body::simulated(3));
    stack.await_status(&id, "completed");
    stack.workers.iter().for_each(|worker| worker.stop()); // the second life does not end before all have asked
    let replay = || {
        let (client, path) = (stack.client.clone(), format!("/tasks/{id}/replay"));
        thread::spawn(move || client.post(&path, &json!({})).status)
    };
    let threads: Vec<_> = (0..AT_ONCE).map(|_| replay()).collect();
    let mut answers: Vec<u16> = threads.into_iter().map(|one| one.join().expect("an answer")).collect();
    answers.sort_unstable();
    assert_eq!(answers, [&[202][..], &[409; AT_ONCE - 1]].concat());
    stack.workers.iter().for_each(|worker| worker.go_on());

    stack.await_status(&id, "completed");
    let again = |word: &str| stack.facts(&id).iter().filter(|fact| fact.generation == 1 && fact.fact == word).count();
    assert_eq!((again("requeued"), again("completed")), (3, 3));
    stack.audit();
}

fn statuses(task: &Value) -> Vec<&str> {
    let subtasks = task["subtasks"].as_array().expect("subtasks");
    subtasks.iter().map(|subtask| subtask["status"].as_str().expect("a status")).collect()
}

#[test]
fn replay_by_the_command_line_names_a_single_subtask() {
    let stack: Stack = Plan::workers(1).start();
    let id = stack.client.submit(&body::graph(&["a", "0: a"]));
    stack.await_status(&id, "completed");
    let shown = stack.run_client(&["get", &id]).out;
    assert!(shown.lines().any(|line| line.starts_with(&format!("{id}-1  0 "))), "the name to type: {shown}");
    let replayed = stack.run_client(&["replay", &id, "--subtask", "0"]);
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    stack.await_status(&id, "completed");
    let records = stack.hash(&format!("outcomes:{id}"));
    assert!(records.contains_key("1@1") && !records.contains_key("0@1"), "a name, not a place: {records:#?}");
    let replayed = stack.run_client(&["replay", &id, "--index", "0"]);
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    stack.await_status(&id, "completed");
    assert!(stack.hash(&format!("outcomes:{id}")).contains_key("0@1"));
    stack.audit();
}
