//! Leasing work: reading a consumer group, waiting at the bell, and what a lost reply left pending.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::value::{self, RawEntry};
use proto_schemas::{ConsumerName, EntryError, QueueName, WorkEntry};
use std::time::Duration;

/// A leased entry.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it is pending.
    pub stream: Stream,
    /// Larger for every later attempt of anything: the fencing token.
    pub entry_id: String,
    /// What it says, or why it cannot be run.
    pub entry: Result<WorkEntry, EntryError>,
}

impl Store {
    /// Makes sure that the group of every stream of `queue` exists, from its first entry on. A key that holds something
    /// else keeps none of the others; the first such error is answered at the end.
    pub async fn create_worker_groups(&self, queue: &QueueName) -> Result<(), StoreError> {
        let mut created = Ok(());
        for stream in Stream::of(queue) {
            match self.create_group(&stream.key(), key::WORKERS_GROUP).await {
                Err(error @ StoreError::WrongType(_)) => created = created.and(Err(error)),
                other => other?,
            }
        }
        created
    }

    /// Leases at most `count` entries of each of `streams`, in one command that does not block. Sent once: a lost
    /// reply leaves entries pending, which [`Store::fetch_unanswered`] finds.
    pub async fn fetch(
        &self,
        consumer: &ConsumerName,
        streams: &[Stream],
        count: usize,
    ) -> Result<Vec<Fetched>, StoreError> {
        self.read(consumer, streams, count, ">").await
    }

    /// One page of what is pending under `consumer` in `stream` after entry `after` (`0` at first): entries whose
    /// reply was lost, beside those already known. An entry that was deleted meanwhile is left out.
    pub async fn fetch_unanswered(
        &self,
        consumer: &ConsumerName,
        stream: &Stream,
        count: usize,
        after: &str,
    ) -> Result<Vec<Fetched>, StoreError> {
        self.read(consumer, std::slice::from_ref(stream), count, after).await
    }

    /// Waits at the bells of `queues`, at most `limit`; says whether one rang. Needs a connection of its own
    /// ([`Store::connect_again`]). Dropping the future loses at most one token, never work.
    pub async fn wait_bell(&self, queues: &[QueueName], limit: Duration) -> Result<bool, StoreError> {
        let mut args: Vec<fred::types::Value> = queues.iter().map(|queue| key::bell(queue).into()).collect();
        // 0 would wait for ever.
        args.push(format!("{:.3}", limit.as_secs_f64().max(0.001)).into());
        Ok(!self.command_once("BLPOP", args, limit).await?.is_null())
    }

    /// Forgets tokens that nobody waited for. Read once more afterwards, before waiting.
    pub async fn hush_bell(&self, queue: &QueueName) -> Result<(), StoreError> {
        self.command("DEL", value::args([&key::bell(queue)])).await.map(drop)
    }

    /// Wakes one idle worker of `queue`.
    pub async fn ring_bell(&self, queue: &QueueName) -> Result<(), StoreError> {
        self.command("RPUSH", value::args([key::bell(queue).as_str(), "1"])).await.map(drop)
    }

    async fn read(
        &self,
        consumer: &ConsumerName,
        streams: &[Stream],
        count: usize,
        from: &str,
    ) -> Result<Vec<Fetched>, StoreError> {
        let mut args = value::args(["GROUP", key::WORKERS_GROUP, consumer.as_str(), "COUNT", &count.to_string()]);
        args.push("STREAMS".into());
        args.extend(streams.iter().map(|stream| fred::types::Value::from(stream.key())));
        args.extend(streams.iter().map(|_| fred::types::Value::from(from)));
        let reply = self.command_once("XREADGROUP", args, Duration::ZERO).await?;
        let mut fetched = Vec::new();
        for (key, entries) in value::streams(reply, "XREADGROUP")? {
            let stream = streams.iter().find(|stream| stream.key() == key).ok_or(StoreError::Reply("XREADGROUP"))?;
            fetched.extend(entries.into_iter().filter_map(|raw| decode(stream, raw)));
        }
        Ok(fetched)
    }

    pub(crate) async fn create_group(&self, stream: &str, group: &str) -> Result<(), StoreError> {
        match self.command("XGROUP", value::args(["CREATE", stream, group, "0", "MKSTREAM"])).await {
            Err(StoreError::Refused(error)) if error.details().contains("BUSYGROUP") => Ok(()),
            other => other.map(drop),
        }
    }
}

fn decode(stream: &Stream, raw: RawEntry) -> Option<Fetched> {
    raw.fields.as_ref()?;
    let entry = WorkEntry::decode(raw.pairs(), stream.priority);
    Some(Fetched { stream: stream.clone(), entry_id: raw.id, entry })
}
