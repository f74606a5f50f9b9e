//! The streams and the groups that read them.

use super::answered;
use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::value;
use fred::types::Value;
use futures::future::try_join_all;
use proto_schemas::QueueName;
use std::collections::HashMap;
use std::time::Duration;

/// Groups of one stream that are looked at: anybody may make one.
const GROUPS_MAX: usize = 8;

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamGauges {
    /// Its key.
    pub key: String,
    /// Which it is, if it holds work.
    pub work: Option<Stream>,
    /// What it holds.
    pub entries: u64,
    /// Who reads it.
    pub groups: Vec<GroupGauges>,
    /// Age of the oldest entry that our group has not read, if there is one.
    pub oldest_waiting: Option<Duration>,
}

/// A group of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupGauges {
    /// Its name.
    pub name: String,
    /// Entries that it has read and not acknowledged.
    pub pending: u64,
    /// Entries that it has not read, if Redis knows.
    pub lag: Option<u64>,
    /// Age of the oldest entry that it has read and not acknowledged, if there is one.
    pub oldest_pending: Option<Duration>,
    /// Age of the oldest entry that it has not read, if there is one.
    pub oldest_unread: Option<Duration>,
}

impl StreamGauges {
    /// Entries of a work stream that nobody has read: exact, because what is acknowledged is deleted.
    pub fn backlog(&self) -> u64 {
        let pending = self.group(key::WORKERS_GROUP).map_or(0, |group| group.pending);
        self.entries.saturating_sub(pending)
    }

    /// How old the oldest entry is that the projectors have not acknowledged, read or not. `None` if the log is no
    /// stream.
    pub(super) fn projector_lag(streams: &[Self]) -> Option<Duration> {
        let events = streams.iter().find(|stream| stream.key == key::EVENTS)?;
        let pending = events.group(key::PROJECTOR_GROUP).and_then(|group| group.oldest_pending);
        Some(events.oldest_waiting.max(pending).unwrap_or_default())
    }

    fn group(&self, name: &str) -> Option<&GroupGauges> {
        self.groups.iter().find(|group| group.name == name)
    }
}

impl Store {
    pub(super) async fn stream_gauges(
        &self,
        queues: &[QueueName],
        now_ms: u64,
    ) -> Result<Vec<StreamGauges>, StoreError> {
        let work = queues.iter().flat_map(Stream::of).map(|stream| (stream.key(), Some(stream)));
        let all = work.chain([(key::EVENTS.to_owned(), None)]);
        let all = try_join_all(all.map(|(key, work)| self.stream_gauge(key, work, now_ms))).await?;
        Ok(all.into_iter().flatten().collect())
    }

    /// `None` if the key holds no stream.
    async fn stream_gauge(
        &self,
        key: String,
        work: Option<Stream>,
        now_ms: u64,
    ) -> Result<Option<StreamGauges>, StoreError> {
        let (entries, groups) = tokio::try_join!(
            self.number("XLEN", value::args([&key])),
            self.ask("XINFO", value::args(["GROUPS", &key])),
        )?;
        let Some(entries) = entries else { return Ok(None) };
        let ours = if work.is_some() { key::WORKERS_GROUP } else { key::PROJECTOR_GROUP };
        let mut groups = value::array(groups.unwrap_or(Value::Null), "XINFO GROUPS")?;
        groups.sort_by_key(|group| !is_named(group, ours)); // ours first: it counts, however many others there are
        let groups = groups.into_iter().take(GROUPS_MAX);
        let groups = try_join_all(groups.map(|group| self.group_gauge(&key, group, now_ms))).await?;
        let groups: Vec<GroupGauges> = groups.into_iter().flatten().collect();
        let oldest_waiting = match groups.iter().find(|group| group.name == ours) {
            Some(group) => group.oldest_unread,
            None => self.oldest_unread(&key, "0-0").await?.map(|id| age(&id, now_ms)),
        };
        Ok(Some(StreamGauges { groups, key, work, entries, oldest_waiting }))
    }

    async fn group_gauge(&self, stream: &str, group: Value, now_ms: u64) -> Result<Option<GroupGauges>, StoreError> {
        let mut fields = value::map(group, "XINFO GROUPS")?;
        let number = |fields: &HashMap<_, String>, name| fields.get(name).and_then(|text| text.parse().ok());
        let (pending, lag) = (number(&fields, "pending").unwrap_or(0), number(&fields, "lag"));
        let (Some(name), Some(last_delivered_id)) = (fields.remove("name"), fields.remove("last-delivered-id")) else {
            return Ok(None);
        };
        let oldest = match pending {
            0 => None,
            _ => self.oldest_pending(stream, &name).await?,
        };
        let unread = match lag {
            Some(0) => None,
            _ => self.oldest_unread(stream, &last_delivered_id).await?,
        };
        let (oldest_pending, oldest_unread) = (oldest.map(|id| age(&id, now_ms)), unread.map(|id| age(&id, now_ms)));
        Ok(Some(GroupGauges { name, pending, lag, oldest_pending, oldest_unread }))
    }

    async fn oldest_unread(&self, stream: &str, last_delivered_id: &str) -> Result<Option<String>, StoreError> {
        let after = format!("({last_delivered_id}");
        let unread = self.ask("XRANGE", value::args([stream, &after, "+", "COUNT", "1"])).await?;
        let unread = value::array(unread.unwrap_or(Value::Null), "XRANGE")?.into_iter().next();
        let unread = answered(unread.map(|entry| value::RawEntry::decode(entry, "XRANGE")).transpose())?.flatten();
        Ok(unread.map(|entry| entry.id))
    }

    async fn oldest_pending(&self, stream: &str, group: &str) -> Result<Option<String>, StoreError> {
        let summary = self.ask("XPENDING", value::args([stream, group])).await?;
        Ok(value::array(summary.unwrap_or(Value::Null), "XPENDING")?.get(1).and_then(Value::as_string))
    }
}

/// Whether XINFO tells of the group of this name.
fn is_named(group: &Value, name: &str) -> bool {
    matches!(group, Value::Array(items) if value::field(items, "name").and_then(value::bytes) == Some(name.as_bytes()))
}

/// Of an entry, when Redis' clock shows `now_ms`.
fn age(entry_id: &str, now_ms: u64) -> Duration {
    let made_ms = entry_id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(now_ms);
    Duration::from_millis(now_ms.saturating_sub(made_ms))
}
