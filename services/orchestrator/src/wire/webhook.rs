//! Webhooks: what clients send to make one, and how they read it.

use super::time::Timestamp;
use crate::body::Readable;
use crate::body::fields::Fields;
use crate::body::violation::{Class, Violations};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use proto_schemas::Webhook;
use redis_store::webhooks::KeptWebhook;
use serde::Serialize;
use serde_json::value::RawValue;

const EVENT_RULE: &str = "must be one of task.completed, task.failed, task.cancelled";

/// A webhook to be made.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub struct NewWebhook {
    /// Where it listens, at most 2,048 characters: `https`, port 443 or 8443, a public host, no user, no fragment. The
    /// setting WEBHOOK_ALLOW names what else is allowed. Put nothing secret in it: what it is sent is signed.
    pub url: String,
    /// What it is told of, each once; all of it unless you say otherwise.
    pub events: Option<Vec<WebhookEvent>>,
}

/// The end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
pub enum WebhookEvent {
    /// All of it completed.
    #[serde(rename = "task.completed")]
    #[oai(rename = "task.completed")]
    Completed,
    /// Something of it failed.
    #[serde(rename = "task.failed")]
    #[oai(rename = "task.failed")]
    Failed,
    /// Nothing failed and something was cancelled.
    #[serde(rename = "task.cancelled")]
    #[oai(rename = "task.cancelled")]
    Cancelled,
}

/// A webhook.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct WebhookDocument {
    /// Its id.
    pub webhook_id: String,
    /// Where it listens; of a query only that there is one.
    pub url: String,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// When it was made; what ended before is not told.
    pub created_at: Timestamp,
    /// Since when it is told nothing, because it answered 410.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
    /// Until when an earlier secret signs too, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_secret_until: Option<Timestamp>,
    /// What deliveries are signed with: only in the answer to whoever has just had it made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// The webhooks of this installation.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example)]
pub struct WebhookList {
    /// All of them, at most 100, oldest first.
    pub webhooks: Vec<WebhookDocument>,
}

impl WebhookDocument {
    /// The document of a webhook without its secret, at `now_ms`.
    pub fn of(kept: &KeptWebhook, now_ms: u64) -> Self {
        let KeptWebhook { id, webhook, gone_at_ms, .. } = kept;
        let old = webhook.secrets.iter().filter_map(|it| it.until_ms).filter(|ms| *ms > now_ms).max();
        Self {
            webhook_id: id.clone(),
            url: shown(&webhook.url),
            events: webhook.events.iter().map(|event| (*event).into()).collect(),
            created_at: Timestamp::from_ms(webhook.created_at_ms),
            gone_at: gone_at_ms.map(Timestamp::from_ms),
            old_secret_until: old.map(Timestamp::from_ms),
            secret: None,
        }
    }

    /// The same with the secret that has just been made.
    pub fn with_secret(kept: &KeptWebhook, now_ms: u64) -> Self {
        let secret = kept.webhook.secrets.first().map(|it| it.secret.clone());
        Self { secret, ..Self::of(kept, now_ms) }
    }
}

/// A query may carry what only the receiver should know.
fn shown(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(before, _)| format!("{before}?..."))
}

impl From<proto_schemas::WebhookEvent> for WebhookEvent {
    fn from(event: proto_schemas::WebhookEvent) -> Self {
        match event {
            proto_schemas::WebhookEvent::Completed => Self::Completed,
            proto_schemas::WebhookEvent::Failed => Self::Failed,
            proto_schemas::WebhookEvent::Cancelled => Self::Cancelled,
        }
    }
}

impl From<WebhookEvent> for proto_schemas::WebhookEvent {
    fn from(event: WebhookEvent) -> Self {
        match event {
            WebhookEvent::Completed => Self::Completed,
            WebhookEvent::Failed => Self::Failed,
            WebhookEvent::Cancelled => Self::Cancelled,
        }
    }
}

impl Readable for NewWebhook {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        fields.require("url");
        let mut known: Vec<WebhookEvent> = Vec::new();
        let events = fields.items("events", 1..=3, |raw, at, violations: &mut Violations| {
            let Some(event) = read_event(raw) else {
                violations.shape(&at, EVENT_RULE);
                return None;
            };
            if known.contains(&event) {
                violations.add(&at, Class::Rule, "stands twice in the list");
            }
            known.push(event);
            Some(event)
        });
        Self { url: fields.text("url").unwrap_or_default(), events }
    }
}

fn read_event(raw: &RawValue) -> Option<WebhookEvent> {
    serde_json::from_str::<proto_schemas::WebhookEvent>(raw.get()).ok().map(WebhookEvent::from)
}

impl Example for NewWebhook {
    fn example() -> Self {
        let events = Some(vec![WebhookEvent::Completed, WebhookEvent::Failed]);
        Self { url: "https://hooks.example.org/millstream".to_owned(), events }
    }
}

impl Example for WebhookDocument {
    fn example() -> Self {
        let webhook = Webhook {
            url: NewWebhook::example().url,
            events: vec![proto_schemas::WebhookEvent::Completed, proto_schemas::WebhookEvent::Failed],
            secrets: Vec::new(),
            created_at_ms: 1_790_000_000_000,
        };
        let kept = KeptWebhook {
            id: "wh_01K5QJ0000TVWXYZ0123456789".to_owned(),
            webhook,
            stored: String::new(),
            gone_at_ms: None,
        };
        Self::of(&kept, 1_790_000_000_000)
    }
}

impl Example for WebhookList {
    fn example() -> Self {
        Self { webhooks: vec![WebhookDocument::example()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_not_shown() {
        assert_eq!(shown("https://h/p?token=1"), "https://h/p?...");
        assert_eq!(shown("https://h/p"), "https://h/p");
    }
}
