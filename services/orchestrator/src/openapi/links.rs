//! Where an answer leads: the OpenAPI `links` by which a client, or whoever tests one, goes from what was made to what
//! can be done with it.

use super::node::Node;
use serde_json::{Value, json};

/// What can be done with a task.
const OF_TASK: [(&str, &str); 6] = [
    ("get_task", "The task."),
    ("explain_task", "What it waits for."),
    ("cancel_task", "Cancels it."),
    ("replay_task", "Runs it again, once it has ended."),
    ("get_result", "Its result."),
    ("follow_task", "Its events."),
];
/// Answers that tell of one task, always: a list may be empty, and a batch may be refused.
const TASKS: [(&str, &str); 6] = [
    ("submit_task", "200"),
    ("submit_task", "202"),
    ("assign_task", "200"),
    ("get_task", "200"),
    ("cancel_task", "200"),
    ("replay_task", "202"),
];
/// What can be done with a webhook that was just made.
const OF_WEBHOOK: [(&str, &str); 3] = [
    ("get_webhook", "Read the webhook."),
    ("rotate_webhook_secret", "Give it another secret."),
    ("delete_webhook", "Delete it."),
];
const WEBHOOKS: [(&str, &str); 1] = [("create_webhook", "201")];

/// Adds those of the answers of an operation.
pub fn add(operation: &mut Node) {
    add_of(operation, &TASKS, &OF_TASK, "task_id");
    add_of(operation, &WEBHOOKS, &OF_WEBHOOK, "webhook_id");
}

/// From these answers to these operations, by this field of the answer; to where one is already there is none.
fn add_of(operation: &mut Node, answers: &[(&str, &str)], targets: &[(&str, &str)], field: &str) {
    let id = operation.text("operationId").unwrap_or_default().to_owned();
    for (_, status) in answers.iter().filter(|(from, _)| *from == id) {
        let Some(response) = operation.at_mut(&["responses", status]) else { continue };
        let others = targets.iter().filter(|(to, _)| *to != id);
        let links = others.map(|(to, what)| ((*to).to_owned(), link(to, what, field).into())).collect();
        response.set("links", Node::Object(links));
    }
}

fn link(to: &str, what: &str, field: &str) -> Value {
    json!({ "operationId": to, "parameters": { field: format!("$response.body#/{field}") }, "description": what })
}
