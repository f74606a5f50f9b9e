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
    last_delivered_id: String,
}

impl StreamGauges {
    /// Entries of a work stream that nobody has read: exact, because what is acknowledged is deleted.
    pub fn backlog(&self) -> u64 {
        let pending = self.group(key::WORKERS_GROUP).map_or(0, |group| group.pending);
        self.entries.saturating_sub(pending)
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
        let groups = value::array(groups.unwrap_or(Value::Null), "XINFO GROUPS")?.into_iter().take(GROUPS_MAX);
        let groups = try_join_all(groups.map(|group| self.group_gauge(&key, group, now_ms))).await?;
        Ok(Some(StreamGauges { groups: groups.into_iter().flatten().collect(), key, work, entries }))
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
        let oldest_pending = oldest.map(|id| age(&id, now_ms));
        Ok(Some(GroupGauges { name, pending, lag, oldest_pending, last_delivered_id }))
    }

    async fn oldest_pending(&self, stream: &str, group: &str) -> Result<Option<String>, StoreError> {
        let summary = self.ask("XPENDING", value::args([stream, group])).await?;
        Ok(value::array(summary.unwrap_or(Value::Null), "XPENDING")?.get(1).and_then(Value::as_string))
    }

    /// How old the oldest entry is that the projectors have not acknowledged, read or not. `None` without their group.
    pub(super) async fn projector_lag(
        &self,
        streams: &[StreamGauges],
        now_ms: u64,
    ) -> Result<Option<Duration>, StoreError> {
        let events = streams.iter().find(|stream| stream.key == key::EVENTS);
        let Some(group) = events.and_then(|events| events.group(key::PROJECTOR_GROUP)) else { return Ok(None) };
        let after = format!("({}", group.last_delivered_id);
        let unread = self.ask("XRANGE", value::args([key::EVENTS, &after, "+", "COUNT", "1"])).await?;
        let unread = value::array(unread.unwrap_or(Value::Null), "XRANGE")?.into_iter().next();
        let unread = answered(unread.map(|entry| value::RawEntry::decode(entry, "XRANGE")).transpose())?.flatten();
        let unread = unread.map(|entry| age(&entry.id, now_ms));
        Ok(Some(unread.max(group.oldest_pending).unwrap_or_default()))
    }
}

/// Of an entry, when Redis' clock shows `now_ms`.
fn age(entry_id: &str, now_ms: u64) -> Duration {
    let made_ms = entry_id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(now_ms);
    Duration::from_millis(now_ms.saturating_sub(made_ms))
}
