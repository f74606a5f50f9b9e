//! Where an answer leads: the OpenAPI `links` by which a client, or whoever tests one, goes from what was made to what can be
//! done with it.

use super::node::Node;
use serde_json::{Value, json};

/// From an answer to an operation, with one parameter out of the answer.
struct Link(&'static str, &'static str, &'static str, &'static str);

/// What can be done with a task, and its id in the answer.
const OF_TASK: [(&str, &str); 6] = [
    ("get_task", "Read the task."),
    ("explain_task", "Why it does not go on."),
    ("cancel_task", "Cancel it."),
    ("replay_task", "Run it again, once it has ended."),
    ("get_result", "What came of it."),
    ("follow_task", "Follow it."),
];
/// Answers that tell of a task: operation, status, where its id stands.
const TASKS: [(&str, &str, &str); 7] = [
    ("submit_task", "200", "$response.body#/task_id"),
    ("submit_task", "202", "$response.body#/task_id"),
    ("assign_task", "200", "$response.body#/task_id"),
    ("submit_tasks", "200", "$response.body#/tasks/0/task_id"),
    ("list_tasks", "200", "$response.body#/tasks/0/task_id"),
    ("replay_task", "202", "$response.body#/task_id"),
    ("cancel_task", "200", "$response.body#/task_id"),
];
const WEBHOOK: &str = "$response.body#/webhook_id";
const LETTER: &str = "$response.body#/dead_letters/0/entry_id";
const OTHERS: [(&str, &str, Link); 7] = [
    ("create_webhook", "201", Link("get_webhook", "webhook_id", WEBHOOK, "Read the webhook.")),
    ("create_webhook", "201", Link("rotate_webhook_secret", "webhook_id", WEBHOOK, "Give it another secret.")),
    ("create_webhook", "201", Link("delete_webhook", "webhook_id", WEBHOOK, "Delete it.")),
    ("list_dead_letters", "200", Link("get_dead_letter", "entry_id", LETTER, "Read the newest of them.")),
    ("list_dead_letters", "200", Link("requeue_dead_letter", "entry_id", LETTER, "Give it back.")),
    ("list_dead_letters", "200", Link("list_dead_letters", "cursor", "$response.body#/next_cursor", "The next page.")),
    ("list_tasks", "200", Link("list_tasks", "cursor", "$response.body#/next_cursor", "The next page.")),
];

/// Adds those of the answers of an operation.
pub fn add(operation: &mut Node) {
    let id = operation.text("operationId").unwrap_or_default().to_owned();
    let of_task = TASKS.iter().filter(|(from, ..)| *from == id).flat_map(|(_, status, place)| {
        let others = OF_TASK.iter().filter(|(to, _)| *to != id);
        others.map(move |(to, what)| (*status, *to, link(to, "task_id", place, what)))
    });
    let others = OTHERS.iter().filter(|(from, ..)| *from == id);
    let others = others.map(|(_, status, Link(to, name, place, what))| (*status, *to, link(to, name, place, what)));
    for (status, to, link) in of_task.chain(others) {
        let Some(response) = operation.at_mut(&["responses", status]) else { continue };
        if response.get("links").is_none() {
            response.set("links", json!({}));
        }
        if let Some(links) = response.get_mut("links") {
            links.set(to, link);
        }
    }
}

fn link(to: &str, parameter: &str, place: &str, what: &str) -> Value {
    json!({ "operationId": to, "parameters": { parameter: place }, "description": what })
}
