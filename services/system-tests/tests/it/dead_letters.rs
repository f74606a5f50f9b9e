//! What gives up: tried again and again, then a dead letter that an operator gives back or throws away.

use serde_json::{Value, json};
use system_tests::process::Finished;
use system_tests::stack::{Plan, Stack};

const ATTEMPTS: usize = 3;

#[test]
fn a_handler_that_fails_is_tried_again_then_buried_and_an_operator_gives_it_back_or_throws_it_away() {
    let stack = Plan::workers(1).start();
    let body = json!({ "description": "it fails", "subtasks": [{ "description": "badly", "kind": "test_task",
        "params": { "success_rate": 0 }, "max_attempts": ATTEMPTS, "backoff": { "base_seconds": 0.05 } }] });
    let id = stack.client.submit(&body);
    let task = stack.await_status(&id, "failed");
    assert_eq!((&task["subtasks"][0]["attempt"], &task["subtasks"][0]["crashes"]), (&json!(ATTEMPTS), &json!(0)));
    assert_eq!((stack.fact_count(&id, "retrying"), stack.fact_count(&id, "failed")), (ATTEMPTS - 1, 1));

    let letter = only_letter(&stack);
    let whole: Value = from(&letters(&stack, &["show", &letter, "--json"]));
    assert_eq!((&whole["letter"]["task_id"], &whole["letter"]["attempt"]), (&json!(id), &json!(ATTEMPTS)));
    assert_eq!(whole["history"].as_array().map(Vec::len), Some(ATTEMPTS - 1), "{whole:#}");

    let dry = from(&letters(&stack, &["requeue", "--task", &id, "--dry-run", "--json"]));
    assert_eq!(dry["matched"], 1, "{dry}");
    assert_eq!(only_letter(&stack), letter, "a dry run changes nothing");
    assert_eq!(letters(&stack, &["requeue", &letter]).code, Some(0));
    let again = stack.await_status(&id, "failed"); // its input has not become better
    assert_eq!(again["subtasks"][0]["generation"], 1, "{again:#}");
    assert_eq!(stack.fact_count(&id, "failed"), 2);
    let gone = stack.client.post(&format!("/dead-letters/{letter}/requeue"), &json!({}));
    assert_eq!(gone.status, 404, "the first letter has gone: {}", gone.body);

    let second = only_letter(&stack);
    assert_ne!(second, letter);
    let unasked = letters(&stack, &["discard", "--all"]);
    assert_eq!(unasked.code, Some(2), "nothing is thrown away without a yes: {unasked:?}");
    assert_eq!(only_letter(&stack), second);
    let wrong = json!({ "entry_ids": [second], "confirm": 2 });
    let wrong = stack.client.post("/dead-letters/discard", &wrong);
    assert_eq!(wrong.status, 409, "{}", wrong.body);
    let missing = letters(&stack, &["discard", &letter, "--yes"]);
    assert_eq!(missing.code, Some(1), "what is not there cannot be thrown away: {missing:?}");
    assert_eq!(letters(&stack, &["discard", "--all", "--yes"]).code, Some(0));
    assert_eq!(stack.length("XLEN", "dead-letters"), 0);
    stack.audit();
}

fn letters(stack: &Stack, arguments: &[&str]) -> Finished {
    stack.run_client(&[&["dead-letters"], arguments].concat())
}

fn only_letter(stack: &Stack) -> String {
    let listed = from(&letters(stack, &["list", "--json"]));
    let listed = listed["dead_letters"].as_array().expect("a list");
    assert_eq!(listed.len(), 1, "{listed:#?}");
    listed[0]["entry_id"].as_str().expect("an id").to_owned()
}

fn from(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    serde_json::from_str(&finished.out).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}
