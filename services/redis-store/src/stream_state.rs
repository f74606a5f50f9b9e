//! What XINFO and XPENDING tell of a stream, put together: for people and for alarms. Several reads of one moment each.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::value::{self, RawEntry};
use fred::types::Value;
use futures::future::try_join_all;

/// A stream that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamState {
    /// Entries in it.
    pub length: u64,
    /// Entries that were ever added.
    pub entries_added: u64,
    /// Its oldest entry.
    pub first_entry_id: Option<String>,
    /// Its groups.
    pub groups: Vec<StreamGroup>,
}

/// A group of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamGroup {
    /// Its name.
    pub name: String,
    /// Entries it has read and not acknowledged.
    pub pending: u64,
    /// Entries it has not read; `None` where the server cannot tell (after a hand has deleted entries, or Redis 6.2).
    pub lag: Option<u64>,
    /// The oldest entry that it has read and not acknowledged.
    pub oldest_pending_id: Option<String>,
    /// The oldest entry that it has not read.
    pub oldest_unread_id: Option<String>,
    /// Who reads for it.
    pub consumers: Vec<StreamConsumer>,
}

/// A consumer of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamConsumer {
    /// Its name.
    pub name: String,
    /// Entries it has read and not acknowledged.
    pub pending: u64,
    /// Ms since it last read, claimed or renewed anything.
    pub idle_ms: u64,
}

impl Store {
    /// The state of the stream of this key, or `None` if there is none.
    pub async fn stream_state(&self, stream: &str) -> Result<Option<StreamState>, StoreError> {
        let Some(info) = unless_missing(self.command("XINFO", value::args(["STREAM", stream])).await)? else {
            return Ok(None);
        };
        let mut state = StreamState::default();
        let mut items = value::array(info, "XINFO STREAM")?.into_iter();
        while let (Some(name), Some(found)) = (items.next(), items.next()) {
            match name.as_string().as_deref() {
                Some("length") => state.length = value::number(&found, "XINFO STREAM")?,
                Some("entries-added") => state.entries_added = value::number(&found, "XINFO STREAM")?,
                Some("first-entry") if !found.is_null() => {
                    state.first_entry_id = Some(RawEntry::decode(found, "XINFO STREAM")?.id);
                }
                _ => {}
            }
        }
        let groups = self.command("XINFO", value::args(["GROUPS", stream])).await;
        for group in unless_missing(groups)?.map_or(Ok(Vec::new()), |groups| value::array(groups, "XINFO GROUPS"))? {
            state.groups.push(self.stream_group(stream, group).await?);
        }
        Ok(Some(state))
    }

    /// How many entries of each of some work streams nobody has read, in their order: what is settled is deleted, so
    /// that it is what lies there and is not leased.
    pub async fn ready_counts(&self, streams: &[Stream]) -> Result<Vec<u64>, StoreError> {
        let count = async |stream: &Stream| {
            let key = stream.key();
            let pending = self.command("XPENDING", value::args([&*key, key::WORKERS_GROUP]));
            let (length, pending) = tokio::join!(self.stream_length(stream), pending);
            let pending = match pending {
                Err(StoreError::NoGroup(_)) => 0,
                other => value::array(other?, "XPENDING")?.first().and_then(Value::as_u64).unwrap_or(0),
            };
            Ok(length?.saturating_sub(pending))
        };
        try_join_all(streams.iter().map(count)).await
    }

    /// Whoever may write may also have made a group whose name is no text: it is asked for as it is.
    async fn stream_group(&self, stream: &str, group: Value) -> Result<StreamGroup, StoreError> {
        let items = value::array(group, "XINFO GROUPS")?;
        let name = value::field(&items, "name").cloned().ok_or(StoreError::Reply("XINFO GROUPS"))?;
        let last_id = value::field(&items, "last-delivered-id").and_then(Value::as_string);
        let unread = format!("({}", last_id.ok_or(StoreError::Reply("XINFO GROUPS"))?);
        let (pending, consumers, unread) = tokio::try_join!(
            self.command("XPENDING", vec![stream.into(), name.clone()]),
            self.command("XINFO", vec!["CONSUMERS".into(), stream.into(), name.clone()]),
            self.command("XRANGE", value::args([stream, &unread, "+", "COUNT", "1"])),
        )?;
        let pending = value::array(pending, "XPENDING")?;
        let unread = value::array(unread, "XRANGE")?.into_iter().next();
        Ok(StreamGroup {
            name: value::lossy(&name).unwrap_or_default(),
            pending: pending.first().and_then(Value::as_u64).unwrap_or(0),
            oldest_pending_id: pending.get(1).and_then(Value::as_string),
            lag: value::field(&items, "lag").and_then(Value::as_u64),
            oldest_unread_id: unread.map(|entry| RawEntry::decode(entry, "XRANGE")).transpose()?.map(|entry| entry.id),
            consumers: value::array(consumers, "XINFO CONSUMERS")?
                .into_iter()
                .map(consumer)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn consumer(row: Value) -> Result<StreamConsumer, StoreError> {
    let items = value::array(row, "XINFO CONSUMERS")?;
    let number = |name: &str| value::field(&items, name).and_then(Value::as_u64);
    match (value::field(&items, "name").and_then(value::lossy), number("pending"), number("idle")) {
        (Some(name), Some(pending), Some(idle_ms)) => Ok(StreamConsumer { name, pending, idle_ms }),
        _ => Err(StoreError::Reply("XINFO CONSUMERS")),
    }
}

fn unless_missing(answer: Result<Value, StoreError>) -> Result<Option<Value>, StoreError> {
    match answer {
        Err(StoreError::Refused(error)) if error.details().contains("no such key") => Ok(None),
        other => other.map(Some),
    }
}
