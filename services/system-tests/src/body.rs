//! Documents that tests post.

use serde_json::{Value, json};

/// The first example of every guide: four subtasks by the built-in rules.
pub fn authentication() -> Value {
    json!({ "description": "Build a user authentication system", "priority": 1 })
}

/// A task of this many simulated subtasks.
pub fn simulated(count: usize) -> Value {
    of(count, |index| json!({ "description": format!("step {index}") }))
}

/// A task of this many subtasks that each take `seconds`.
pub fn lasting(count: usize, seconds: f64) -> Value {
    of(
        count,
        |index| json!({ "description": format!("step {index}"), "kind": "test_task", "params": { "duration": seconds } }),
    )
}

/// A task of simulated subtasks out of `name: parents` lines.
pub fn graph(lines: &[&str]) -> Value {
    let subtask = |line: &&str| {
        let (name, parents) = line.split_once(':').unwrap_or((line, ""));
        json!({ "name": name, "description": name, "depends_on": parents.split_whitespace().collect::<Vec<_>>() })
    };
    json!({ "description": "a graph", "subtasks": lines.iter().map(subtask).collect::<Vec<_>>() })
}

/// A task of subtasks that each carry a payload of exactly this many bytes.
pub fn laden(count: usize, bytes: usize) -> Value {
    let filling = "x".repeat(bytes - r#"{"p":""}"#.len());
    of(count, |index| json!({ "description": format!("step {index}"), "params": { "p": filling } }))
}

fn of(count: usize, subtask: impl Fn(usize) -> Value) -> Value {
    json!({ "description": "a task", "subtasks": (0..count).map(subtask).collect::<Vec<_>>() })
}
