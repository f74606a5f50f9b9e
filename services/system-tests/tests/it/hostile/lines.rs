//! The lines of the catalogue that are requests. `kept` is the text that has to be found in the stored task, byte for
//! byte.

use super::api::Api;
use super::exchange::request;
use serde_json::Value;

const CATALOGUE: &str = include_str!("../../hostile.jsonl");
/// Stands where a value does; no answer may contain it.
const CANARY: &str = "c4n4ry";

/// The lines that are sent.
pub fn cases() -> Vec<Value> {
    let lines = CATALOGUE.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    lines.filter(|case| case["status"].is_u64()).collect()
}

/// Each of them as it is sent.
pub fn requests() -> Vec<Vec<u8>> {
    cases().iter().map(request).collect()
}

/// Sends one, and judges the answer and what is stored.
pub fn check(api: &Api, case: &Value) {
    let what = format!("row {}, {}", case["row"], case["what"]);
    let before = api.digest();
    let answer = api.send(&request(case));
    let status = case["status"].as_u64().expect("a status");
    if (200..300).contains(&status) {
        assert_eq!(u64::from(answer.status), status, "{what}: {} {}", answer.head, answer.body);
        assert!(answer.head.to_lowercase().contains("content-type: application/json"), "{what}: {}", answer.head);
    } else {
        answer.check_problem(status, case["code"].as_str().expect("a code"), &what);
        assert!(!answer.body.contains(CANARY), "{what} is repeated: {}", answer.body);
    }
    if status != 202 {
        assert_eq!(api.digest(), before, "{what} has left something behind");
    } else if let Some(kept) = case["kept"].as_str() {
        assert_eq!(api.stored(&answer.task_id(), "context"), kept, "{what}");
        assert!(answer.body.contains(kept), "{what}: {}", answer.body);
    }
    api.check_good(&what);
}
