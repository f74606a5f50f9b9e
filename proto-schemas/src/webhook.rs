//! A webhook as `webhooks` keeps it: where to tell of the ends of tasks, and what the telling is signed with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of the subtasks that deliver; no client may submit one.
pub const WEBHOOK_KIND: &str = "webhook";

/// The queue that they wait in, which nothing else does.
pub const WEBHOOK_QUEUE: &str = "webhooks";

/// An endpoint that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    /// Where it listens.
    pub url: String,
    /// What it is told of, each once.
    pub events: Vec<WebhookEvent>,
    /// What is signed with, newest first.
    pub secrets: Vec<WebhookSecret>,
    /// Ms of the Unix epoch; what ended before is not told.
    pub created_at_ms: u64,
}

/// The end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum WebhookEvent {
    /// All of it completed.
    #[serde(rename = "task.completed")]
    Completed,
    /// Something of it failed.
    #[serde(rename = "task.failed")]
    Failed,
    /// Nothing failed and something was cancelled.
    #[serde(rename = "task.cancelled")]
    Cancelled,
}

/// A shared secret. It is not shown where it is printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookSecret {
    /// `whsec_` and the key in Base64.
    pub secret: String,
    /// Ms of the Unix epoch until which it signs; absent of the one that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

impl Webhook {
    /// The secrets that sign at `now_ms`.
    pub fn secrets_at(&self, now_ms: u64) -> impl Iterator<Item = &str> {
        let signs = move |it: &&WebhookSecret| it.until_ms.is_none_or(|until_ms| now_ms < until_ms);
        self.secrets.iter().filter(signs).map(|it| it.secret.as_str())
    }
}

impl WebhookEvent {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Completed, Self::Failed, Self::Cancelled];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "task.completed",
            Self::Failed => "task.failed",
            Self::Cancelled => "task.cancelled",
        }
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecret").field("until_ms", &self.until_ms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_signs_until_its_time_is_over_and_is_never_printed() {
        let secret = |secret: &str, until_ms| WebhookSecret { secret: secret.to_owned(), until_ms };
        let webhook = Webhook {
            url: "https://example.org/".to_owned(),
            events: WebhookEvent::ALL.to_vec(),
            secrets: vec![secret("whsec_new", None), secret("whsec_old", Some(5))],
            created_at_ms: 1,
        };
        assert_eq!(webhook.secrets_at(4).collect::<Vec<_>>(), ["whsec_new", "whsec_old"]);
        assert_eq!(webhook.secrets_at(5).collect::<Vec<_>>(), ["whsec_new"]);
        assert!(!format!("{webhook:?}").contains("whsec_"));
    }

    #[test]
    fn the_word_of_an_event_is_what_is_stored() {
        for event in WebhookEvent::ALL {
            assert_eq!(serde_json::to_string(&event).unwrap(), format!("\"{}\"", event.as_str()));
        }
    }
}
