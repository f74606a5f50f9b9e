//! Examples of single requests and answers, where the one of their schema would not be what is sent or answered there.

use super::node::Node;
use crate::wire::assignment::Assignment;
use crate::wire::result::ResultDocument;
use crate::wire::task::TaskDocument;
use crate::wire::time::Timestamp;
use crate::wire::webhook::WebhookDocument;
use crate::wire::word::{SubtaskStatus, TaskStatus};
use poem_openapi::types::Example;

/// When whatever is over in them was over.
const END_MS: u64 = 1_790_000_009_000;
/// Not one that signs anything.
const SECRET: &str = "whsec_RXhhbXBsZXMgYXJlIG5vIHNlY3JldHMsIG5vciBhcmUgdGhleS4=";

/// Bodies as they are sent: operation, name, what it is for, the body.
const REQUESTS: [(&str, &str, &str, &str); 9] = [
    (
        "submit_task",
        "planned",
        "A description, to be planned",
        r#"{"description":"Build a user authentication system","priority":"high"}"#,
    ),
    (
        "submit_task",
        "own_plan",
        "Your own plan",
        r#"{"description":"Ship the release","subtasks":[{"name":"build","description":"Build it"},{"name":"publish","description":"Publish it","depends_on":["build"],"max_attempts":3}],"deadline_seconds":3600}"#,
    ),
    ("submit_task", "later", "Not before a minute is over", r#"{"description":"Send the report","delay_seconds":60}"#),
    ("replay_task", "rest", "Whatever did not complete", "{}"),
    ("replay_task", "chosen", "These subtasks, by name or index", r#"{"subtasks":["publish",0]}"#),
    (
        "requeue_dead_letters",
        "dry_run",
        "How many would that be",
        r#"{"matching":{"reason":"timeout"},"dry_run":true}"#,
    ),
    ("requeue_dead_letters", "chosen", "These, by id", r#"{"entry_ids":["1790000009000-0"]}"#),
    (
        "discard_dead_letters",
        "dry_run",
        "How many would that be",
        r#"{"matching":{"reason":"timeout"},"dry_run":true}"#,
    ),
    (
        "discard_dead_letters",
        "confirmed",
        "As many as the dry run has seen",
        r#"{"matching":{"reason":"timeout"},"confirm":3,"until":"1790000009000-0"}"#,
    ),
];

/// Adds those of an operation.
pub fn add(operation: &mut Node) {
    let id = operation.text("operationId").unwrap_or_default().to_owned();
    let bodies: Vec<(String, Node)> = REQUESTS.iter().filter(|(of, ..)| *of == id).map(request).collect();
    if let Some(media) = operation.at_mut(&["requestBody", "content", "application/json"])
        && !bodies.is_empty()
    {
        media.set("examples", Node::Object(bodies));
    }
    for (status, answer) in answers(&id) {
        if let Some(media) = operation.at_mut(&["responses", status, "content", "application/json"]) {
            media.set("example", answer);
        }
    }
}

fn request((_, name, summary, body): &(&str, &str, &str, &str)) -> (String, Node) {
    let body: Node = serde_json::from_str(body).expect("an example is JSON");
    let example = vec![("summary".to_owned(), (*summary).into()), ("value".to_owned(), body)];
    ((*name).to_owned(), Node::Object(example))
}

fn answers(id: &str) -> Vec<(&'static str, Node)> {
    match id {
        "submit_task" => vec![("200", ended(TaskStatus::Completed)), ("202", accepted())],
        "cancel_task" => vec![("200", ended(TaskStatus::Cancelled))],
        "replay_task" => vec![("202", replayed())],
        "assign_task" => vec![("200", assigned())],
        "create_webhook" => vec![("201", with_secret(None))],
        "rotate_webhook_secret" => vec![("200", with_secret(Some(Timestamp::from_ms(END_MS + 86_400_000))))],
        _ => Vec::new(),
    }
}

fn accepted() -> Node {
    let mut task = unstarted();
    (task.status, task.updated_at, task.revision) = (TaskStatus::Queued, task.created_at.clone(), 1);
    Node::of(&task)
}

fn replayed() -> Node {
    let mut task = unstarted();
    task.revision = 7;
    task.subtasks.iter_mut().for_each(|subtask| subtask.generation = Some(1));
    Node::of(&task)
}

/// A task of which nothing is known but its plan.
fn unstarted() -> TaskDocument {
    let mut task = TaskDocument { completed: 0, ..TaskDocument::example() };
    for subtask in &mut task.subtasks {
        subtask.status = SubtaskStatus::Queued;
        (subtask.attempt, subtask.crashes, subtask.finished_at) = (None, None, None);
    }
    task
}

fn ended(status: TaskStatus) -> Node {
    let at = || Timestamp::from_ms(END_MS);
    let is_completed = status == TaskStatus::Completed;
    let (completed, cancelled) = if is_completed { (4, 0) } else { (1, 3) };
    let whole = TaskDocument::example();
    let mut task =
        TaskDocument { status, completed, cancelled, updated_at: at(), finished_at: Some(at()), revision: 5, ..whole };
    for subtask in task.subtasks.iter_mut().skip(1) {
        subtask.status = if is_completed { SubtaskStatus::Completed } else { SubtaskStatus::Cancelled };
        (subtask.attempt, subtask.crashes, subtask.finished_at) = (is_completed.then_some(1), Some(0), Some(at()));
    }
    Node::of(&task)
}

fn assigned() -> Node {
    Node::of(&Assignment { outcome: Some(ResultDocument::example()), ..Assignment::example() })
}

fn with_secret(old_secret_until: Option<Timestamp>) -> Node {
    Node::of(&WebhookDocument { secret: Some(SECRET.to_owned()), old_secret_until, ..WebhookDocument::example() })
}
