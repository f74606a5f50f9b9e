//! Who is told of the ends of tasks, in one hash by id, and which deliveries are under way to whom; and how far the log
//! has been told, as a group of its own that nobody reads through: its place is set, and holds the log until then.

use crate::client::Store;
use crate::error::StoreError;
use crate::keep::{Kept, Place};
use crate::{key, value};
use proto_schemas::{TaskId, Webhook, limit};

/// A webhook with its id and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptWebhook {
    /// Its id.
    pub id: String,
    /// As it was made.
    pub webhook: Webhook,
    /// The text of that, as it is stored.
    pub stored: String,
    /// When it said that it is there no more, ms of the Unix epoch: it is told nothing from then on.
    pub gone_at_ms: Option<u64>,
}

/// How far the log has been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldPlace {
    /// Up to and with this entry.
    pub entry_id: String,
    /// So many entries, where the server counts them.
    pub entries: Option<u64>,
}

impl Store {
    /// Keeps a webhook under its id: a new one, or in the place of what was stored before.
    pub async fn keep_webhook(&self, id: &str, before: Option<&str>, webhook: &Webhook) -> Result<Kept, StoreError> {
        self.keep(Place { hash: key::WEBHOOKS, id, before, count_max: limit::WEBHOOKS_MAX }, webhook).await
    }

    /// Forgets a webhook; whether there was one.
    pub async fn remove_webhook(&self, id: &str) -> Result<bool, StoreError> {
        let removed = value::number(&self.command("HDEL", value::args([key::WEBHOOKS, id])).await?, "HDEL")?;
        self.command("HDEL", value::args([key::WEBHOOKS_GONE, id])).await?;
        self.command("DEL", value::args([&*key::webhook_open(id)])).await?;
        Ok(removed > 0)
    }

    /// A webhook, or `None` if there is none of this id.
    pub async fn webhook(&self, id: &str) -> Result<Option<KeptWebhook>, StoreError> {
        let text = self.command("HGET", value::args([key::WEBHOOKS, id])).await?.into_string();
        let gone = self.command("HGET", value::args([key::WEBHOOKS_GONE, id])).await?.into_string();
        Ok(text.and_then(|text| read(id.to_owned(), text, gone.as_deref())))
    }

    /// How many webhooks there are.
    pub async fn webhooks_count(&self) -> Result<u64, StoreError> {
        value::number(&self.command("HLEN", value::args([key::WEBHOOKS])).await?, "HLEN")
    }

    /// Every webhook, in the order of their making; what a stranger wrote and cannot be read is left out.
    pub async fn webhooks(&self) -> Result<Vec<KeptWebhook>, StoreError> {
        let kept = value::map(self.command("HGETALL", value::args([key::WEBHOOKS])).await?, "HGETALL")?;
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let gone = value::map(self.command("HGETALL", value::args([key::WEBHOOKS_GONE])).await?, "HGETALL")?;
        let read = |(id, text): (String, String)| {
            let gone = gone.get(&id).map(String::as_str);
            read(id, text, gone)
        };
        let mut webhooks: Vec<KeptWebhook> = kept.into_iter().filter_map(read).collect();
        webhooks
            .sort_by(|one, other| (one.webhook.created_at_ms, &one.id).cmp(&(other.webhook.created_at_ms, &other.id)));
        Ok(webhooks)
    }

    /// Keeps that a webhook said that it is there no more. Idempotent: the first time counts.
    pub async fn end_webhook(&self, id: &str, now_ms: u64) -> Result<(), StoreError> {
        self.command("HSETNX", value::args([key::WEBHOOKS_GONE, id, &now_ms.to_string()])).await.map(drop)
    }

    /// How many deliveries of a webhook are under way. What was begun before `since_ms` has ended and is forgotten.
    pub async fn open_deliveries(&self, id: &str, since_ms: u64) -> Result<u64, StoreError> {
        let key = key::webhook_open(id);
        let before = format!("({since_ms}");
        self.command("ZREMRANGEBYSCORE", value::args([&*key, "-inf", &before])).await?;
        value::number(&self.command("ZCARD", value::args([&*key])).await?, "ZCARD")
    }

    /// Which of some deliveries of a webhook are under way, in their order.
    pub async fn are_open(&self, id: &str, deliveries: &[TaskId]) -> Result<Vec<bool>, StoreError> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.scores(&key::webhook_open(id), deliveries).await?.iter().map(Option::is_some).collect())
    }

    /// Deliveries of a webhook are under way. Idempotent.
    pub async fn begin_deliveries(&self, id: &str, deliveries: &[TaskId], now_ms: u64) -> Result<(), StoreError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let (key, now_ms) = (key::webhook_open(id), now_ms.to_string());
        let mut args = value::args([&*key, "NX"]);
        args.extend(deliveries.iter().flat_map(|delivery| value::args([&*now_ms, delivery.as_str()])));
        self.command("ZADD", args).await?;
        // None is open for longer, and nobody would remove what is begun beside the end of its webhook.
        self.command("PEXPIRE", value::args([&*key, &limit::WEBHOOK_DEADLINE_MS.to_string()])).await.map(drop)
    }

    /// Some deliveries have ended; those of other webhooks may be among them. Idempotent.
    pub async fn end_deliveries(&self, id: &str, deliveries: &[TaskId]) -> Result<(), StoreError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let mut args = value::args([&*key::webhook_open(id)]);
        args.extend(deliveries.iter().flat_map(|delivery| value::args([delivery.as_str()])));
        self.command("ZREM", args).await.map(drop)
    }

    /// Has the log wait for webhooks, from its first entry on. Idempotent.
    pub async fn hold_log_for_webhooks(&self) -> Result<(), StoreError> {
        self.create_group(key::EVENTS, key::WEBHOOKS_GROUP).await
    }

    /// Has the log wait for webhooks no more. Idempotent.
    pub async fn let_log_go(&self) -> Result<(), StoreError> {
        match self.command("XGROUP", value::args(["DESTROY", key::EVENTS, key::WEBHOOKS_GROUP])).await {
            Err(StoreError::Refused(error)) if error.details().contains("requires the key to exist") => Ok(()),
            other => other.map(drop),
        }
    }

    /// How far the log has been told to webhooks, or `None` while it does not wait for them.
    pub async fn told_place(&self) -> Result<Option<ToldPlace>, StoreError> {
        let Some(mut group) = self.log_group(key::WEBHOOKS_GROUP).await? else { return Ok(None) };
        let entries = group.get("entries-read").and_then(|text| text.parse().ok());
        let entry_id = group.remove("last-delivered-id").ok_or(StoreError::Reply("XINFO GROUPS"))?;
        Ok(Some(ToldPlace { entry_id, entries }))
    }

    /// The log has been told up to `place`. Idempotent; whoever is late and goes back has it told once more.
    pub async fn told_up_to(&self, place: &ToldPlace) -> Result<(), StoreError> {
        let mut args = value::args(["SETID", key::EVENTS, key::WEBHOOKS_GROUP, &place.entry_id]);
        if let Some(entries) = place.entries {
            args.extend(value::args(["ENTRIESREAD", &entries.to_string()]));
        }
        self.command("XGROUP", args).await.map(drop)
    }
}

fn read(id: String, stored: String, gone: Option<&str>) -> Option<KeptWebhook> {
    let webhook = serde_json::from_str(&stored).ok()?;
    Some(KeptWebhook { id, webhook, stored, gone_at_ms: gone.and_then(|ms| ms.parse().ok()) })
}
