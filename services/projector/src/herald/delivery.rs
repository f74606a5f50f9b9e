//! The task that tells one webhook of one end: a CloudEvent, and the subtask that sends it.

use chrono::{DateTime, SecondsFormat};
use proto_schemas::limit::{
    WEBHOOK_ATTEMPTS, WEBHOOK_BACKOFF_BASE_MS, WEBHOOK_BACKOFF_CAP_MS, WEBHOOK_DEADLINE_MS, WEBHOOK_TIMEOUT_MS,
};
use proto_schemas::webhook::{WEBHOOK_KIND, WEBHOOK_QUEUE, WebhookEvent};
use proto_schemas::{ConsumerName, Kind, Priority, QueueName, SubtaskDefinition, Task, TaskId, TaskStatus};
use redis_store::listing::TaskHead;
use redis_store::submit::Submission;
use redis_store::webhooks::KeptWebhook;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use ulid::Ulid;

/// Under whose name it is submitted.
const BY: &str = "projector";

/// What tells `webhook` of the end of a task; nothing if it is not to be told.
pub(super) fn delivery(webhook: &KeptWebhook, head: &TaskHead) -> Option<Submission> {
    let task = &head.task;
    let (event, finished_at_ms) = (event(task.status)?, task.finished_at_ms?);
    let KeptWebhook { id, webhook, gone_at_ms, .. } = webhook;
    if gone_at_ms.is_some() || !webhook.events.contains(&event) || finished_at_ms < webhook.created_at_ms {
        return None;
    }
    let task_id = delivery_id(id, &task.task_id, finished_at_ms)?;
    let kind = Kind::new(WEBHOOK_KIND).expect("the kind of deliveries is a token");
    let description = format!("tell {id} of {} {}", event.as_str(), task.task_id);
    let payload = json!({"webhook_id": id, "event": cloud_event(&task_id, event, head, finished_at_ms)});
    let subtask = SubtaskDefinition {
        queue: QueueName::new(WEBHOOK_QUEUE).expect("the queue of deliveries is a token"),
        params: serde_json::value::to_raw_value(&payload).ok()?,
        max_attempts: WEBHOOK_ATTEMPTS,
        timeout_ms: WEBHOOK_TIMEOUT_MS,
        backoff_base_ms: WEBHOOK_BACKOFF_BASE_MS,
        backoff_cap_ms: WEBHOOK_BACKOFF_CAP_MS,
        ..SubtaskDefinition::new(kind, description.clone(), Priority::Medium)
    };
    let by = ConsumerName::new(BY).expect("the name of the service is a token");
    let deadline = Some(Duration::from_millis(WEBHOOK_DEADLINE_MS));
    Some(Submission { deadline, ..Submission::new(task_id, by, description, vec![subtask]) })
}

fn event(status: TaskStatus) -> Option<WebhookEvent> {
    match status {
        TaskStatus::Completed => Some(WebhookEvent::Completed),
        TaskStatus::Failed => Some(WebhookEvent::Failed),
        TaskStatus::Cancelled => Some(WebhookEvent::Cancelled),
        TaskStatus::Queued | TaskStatus::Processing => None,
    }
}

/// Of what is told, so that the same is told under the same id: a ULID of the time of the end.
fn delivery_id(webhook_id: &str, task_id: &TaskId, finished_at_ms: u64) -> Option<TaskId> {
    let digest = Sha256::digest(format!("{webhook_id} {task_id} {finished_at_ms}"));
    let random = u128::from_be_bytes(digest[..16].try_into().ok()?);
    TaskId::new(Ulid::from_parts(finished_at_ms, random).to_string()).ok()
}

/// As CloudEvents 1.0 writes it in structured JSON. It names the task and says how it stands; what came of it is asked
/// for.
fn cloud_event(id: &TaskId, event: WebhookEvent, head: &TaskHead, finished_at_ms: u64) -> Value {
    let task = &head.task;
    let Task { task_id, total, completed, failed, cancelled, revision, .. } = task;
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "/tasks",
        "type": format!("millstream.{}", event.as_str()),
        "subject": task_id,
        "time": time(finished_at_ms),
        "datacontenttype": "application/json",
        "data": {
            "task_id": task_id,
            "status": task.status,
            "kinds": head.kinds,
            "total": total,
            "completed": completed,
            "failed": failed,
            "cancelled": cancelled,
            "revision": revision,
            "created_at": time(task.created_at_ms),
            "finished_at": time(finished_at_ms),
            "links": {"self": format!("/tasks/{task_id}"), "result": format!("/result/{task_id}")},
        },
    })
}

fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_schemas::{Door, Webhook};

    fn head(status: TaskStatus, finished_at_ms: Option<u64>) -> TaskHead {
        let task = Task {
            task_id: TaskId::new("T").unwrap(),
            description: "d".to_owned(),
            door: Door::Native,
            status,
            priority: Priority::Low,
            kind: None,
            total: 2,
            completed: 1,
            failed: 1,
            cancelled: 0,
            created_at_ms: 1,
            updated_at_ms: 9,
            finished_at_ms,
            run_at_ms: None,
            deadline_at_ms: None,
            deadline_after_ms: None,
            revision: 3,
            subtasks: Vec::new(),
            context: Some("{\"secret\":1}".to_owned()),
        };
        TaskHead { task, kinds: vec!["simulate".to_owned()] }
    }

    fn webhook(id: &str) -> KeptWebhook {
        let webhook = Webhook {
            url: "https://example.org/".to_owned(),
            events: vec![WebhookEvent::Failed, WebhookEvent::Completed],
            secrets: Vec::new(),
            created_at_ms: 5,
        };
        KeptWebhook { id: id.to_owned(), webhook, stored: String::new(), gone_at_ms: None }
    }

    #[test]
    fn an_end_is_told_to_whoever_wants_it_and_was_there() {
        let told = |webhook: &KeptWebhook, head: &TaskHead| delivery(webhook, head).is_some();
        let one = webhook("wh_1");
        assert!(told(&one, &head(TaskStatus::Failed, Some(5))));
        assert!(!told(&one, &head(TaskStatus::Failed, Some(4))), "it ended before");
        assert!(!told(&one, &head(TaskStatus::Cancelled, Some(9))), "it is not wanted");
        assert!(!told(&one, &head(TaskStatus::Processing, Some(9))), "it runs again");
        assert!(!told(&KeptWebhook { gone_at_ms: Some(1), ..one }, &head(TaskStatus::Failed, Some(9))));
    }

    #[test]
    fn the_same_end_has_the_same_id_and_any_other_has_another() {
        let id =
            |webhook_id: &str, ms| delivery(&webhook(webhook_id), &head(TaskStatus::Failed, Some(ms))).unwrap().task_id;
        assert_eq!(id("wh_1", 9), id("wh_1", 9));
        assert_ne!(id("wh_1", 9), id("wh_2", 9));
        assert_ne!(id("wh_1", 9), id("wh_1", 10));
        assert_eq!(id("wh_1", 9).as_str().len(), 26);
    }

    #[test]
    fn the_event_says_how_the_task_stands_and_nothing_that_was_sent_with_it() {
        let told = delivery(&webhook("wh_1"), &head(TaskStatus::Failed, Some(1_790_000_002_004))).unwrap();
        let payload: Value = serde_json::from_str(told.subtasks[0].params.get()).unwrap();
        let event = &payload["event"];
        assert_eq!((payload["webhook_id"].as_str(), event["id"].as_str()), (Some("wh_1"), Some(told.task_id.as_str())));
        assert_eq!((event["type"].as_str(), event["subject"].as_str()), (Some("millstream.task.failed"), Some("T")));
        assert_eq!(
            (event["time"].as_str(), event["specversion"].as_str()),
            (Some("2026-09-21T14:13:22.004Z"), Some("1.0"))
        );
        assert_eq!((&event["data"]["status"], &event["data"]["failed"]), (&json!("failed"), &json!(1)));
        assert!(!payload.to_string().contains("secret"));
    }
}
