//! The log as a group reads it: new entries, entries a dead reader left, and trimming behind the slowest group.

use crate::client::Store;
use crate::error::StoreError;
use crate::key;
use crate::read::PendingEntry;
use crate::value::{self, RawEntry};
use fred::types::Value;
use proto_schemas::{ConsumerName, Fact};
use std::time::Duration;

/// One entry of the log: the facts of one script call.
#[derive(Debug, Clone)]
pub struct EventEntry {
    /// Its id.
    pub entry_id: String,
    /// Its lines, each read or kept as it was.
    pub lines: Vec<Result<Fact, Vec<u8>>>,
}

/// A group of the log, as XINFO tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupState {
    /// Its name.
    pub name: String,
    /// Entries it read and did not acknowledge.
    pub pending: u64,
    /// The newest entry it read.
    pub last_delivered_id: String,
    /// The oldest entry it did not acknowledge, if any.
    pub oldest_pending_id: Option<String>,
}

/// A consumer of the projector's group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectorState {
    /// Its name.
    pub consumer: ConsumerName,
    /// Entries it read and did not acknowledge.
    pub pending: u64,
    /// Ms since it last asked for entries.
    pub idle_ms: u64,
}

impl Store {
    /// Makes sure the projector's group exists, from the first fact on, and that `meta` names it.
    pub async fn create_projector_group(&self) -> Result<(), StoreError> {
        self.create_group(key::EVENTS, key::PROJECTOR_GROUP).await?;
        self.command("HSETNX", value::args([key::META, "groups", key::PROJECTOR_GROUP])).await.map(drop)
    }

    /// Reads at most `count` new entries, waiting up to `block` for the first. Needs a connection of its own
    /// ([`Store::connect_again`]); never drop the future: what it was given would wait for [`Store::claim_events`].
    pub async fn read_events(
        &self,
        consumer: &ConsumerName,
        count: usize,
        block: Duration,
    ) -> Result<Vec<EventEntry>, StoreError> {
        let args = value::args([
            "GROUP",
            key::PROJECTOR_GROUP,
            consumer.as_str(),
            "COUNT",
            &count.to_string(),
            "BLOCK",
            &block.as_millis().max(1).to_string(),
            "STREAMS",
            key::EVENTS,
            ">",
        ]);
        let reply = self.command_once("XREADGROUP", args, block).await?;
        let streams = value::streams(reply, "XREADGROUP")?;
        Ok(streams.into_iter().flat_map(|(_, entries)| entries).map(EventEntry::decode).collect())
    }

    /// Takes over entries that their reader left unacknowledged for `idle`, from `cursor` on (`0-0` at first);
    /// answers the next cursor, `0-0` at the end. Folding them a second time changes nothing.
    pub async fn claim_events(
        &self,
        consumer: &ConsumerName,
        idle: Duration,
        cursor: &str,
        count: usize,
    ) -> Result<(String, Vec<EventEntry>), StoreError> {
        let args = value::args([
            key::EVENTS,
            key::PROJECTOR_GROUP,
            consumer.as_str(),
            &idle.as_millis().to_string(),
            cursor,
            "COUNT",
            &count.to_string(),
        ]);
        let mut reply = value::array(self.command("XAUTOCLAIM", args).await?, "XAUTOCLAIM")?.into_iter();
        let (Some(next), Some(entries)) = (reply.next(), reply.next()) else {
            return Err(StoreError::Reply("XAUTOCLAIM"));
        };
        let entries = value::array(entries, "XAUTOCLAIM")?
            .into_iter()
            .filter(|entry| !entry.is_null())
            .map(|entry| RawEntry::decode(entry, "XAUTOCLAIM").map(EventEntry::decode))
            .collect::<Result<_, _>>()?;
        Ok((value::text(next, "XAUTOCLAIM")?, entries))
    }

    /// A page of the log after entry `after` (`-` for the beginning), oldest first: for audit and rebuild.
    pub async fn range_events(&self, after: &str, count: usize) -> Result<Vec<EventEntry>, StoreError> {
        let from = if after == "-" { "-".to_owned() } else { format!("({after}") };
        let args = value::args([key::EVENTS, &from, "+", "COUNT", &count.to_string()]);
        value::array(self.command("XRANGE", args).await?, "XRANGE")?
            .into_iter()
            .map(|entry| RawEntry::decode(entry, "XRANGE").map(EventEntry::decode))
            .collect()
    }

    /// Every group of the log; empty if there is no log yet.
    pub async fn event_groups(&self) -> Result<Vec<GroupState>, StoreError> {
        self.group_states(key::EVENTS).await
    }

    /// A page of what the projectors read and did not acknowledge, after entry `after` (`-` for the beginning).
    pub async fn pending_events(&self, after: &str, count: usize) -> Result<Vec<PendingEntry>, StoreError> {
        self.pending_of(key::EVENTS, key::PROJECTOR_GROUP, after, count).await
    }

    /// Every projector that ever read the log and was not collected; empty if there is no group yet. A consumer of a
    /// name that is not ours is a stranger's and left out.
    pub async fn projectors(&self) -> Result<Vec<ProjectorState>, StoreError> {
        let rows = match self.command("XINFO", value::args(["CONSUMERS", key::EVENTS, key::PROJECTOR_GROUP])).await {
            Err(StoreError::NoGroup(_)) => return Ok(Vec::new()),
            Err(StoreError::Refused(error)) if error.details().contains("no such key") => return Ok(Vec::new()),
            other => value::array(other?, "XINFO CONSUMERS")?,
        };
        let mut projectors = Vec::new();
        for row in rows {
            let fields = value::map(row, "XINFO CONSUMERS")?;
            let field = |name: &str| fields.get(name).ok_or(StoreError::Reply("XINFO CONSUMERS"));
            let number = |name| field(name)?.parse().map_err(|_| StoreError::Reply("XINFO CONSUMERS"));
            let (pending, idle_ms) = (number("pending")?, number("idle")?);
            let ours = fields.get("name").and_then(|name| ConsumerName::new(name.as_str()).ok());
            projectors.extend(ours.map(|consumer| ProjectorState { consumer, pending, idle_ms }));
        }
        Ok(projectors)
    }

    /// The groups that must have acknowledged an entry before it may go, as `meta` names them.
    pub async fn required_groups(&self) -> Result<Vec<String>, StoreError> {
        let named = self.command("HGET", value::args([key::META, "groups"])).await?.into_string().unwrap_or_default();
        let parts = named.split([' ', ',']).filter(|name| !name.is_empty());
        Ok(parts.map(str::to_owned).collect())
    }

    /// Removes entries older than `min_id`, whole nodes at a time; answers how many went. The caller has made sure
    /// that every group has acknowledged them.
    pub async fn trim_events(&self, min_id: &str) -> Result<u64, StoreError> {
        let args = value::args([key::EVENTS, "MINID", "~", min_id]);
        value::number(&self.command("XTRIM", args).await?, "XTRIM")
    }

    /// As [`Store::trim_events`], but only about `count` entries, the oldest.
    pub async fn trim_oldest_events(&self, min_id: &str, count: u64) -> Result<u64, StoreError> {
        let args = value::args([key::EVENTS, "MINID", "~", min_id, "LIMIT", &count.max(1).to_string()]);
        value::number(&self.command("XTRIM", args).await?, "XTRIM")
    }

    /// Entries in the log and the bytes it takes.
    pub async fn event_log_size(&self) -> Result<(u64, u64), StoreError> {
        let entries = value::number(&self.command("XLEN", value::args([key::EVENTS])).await?, "XLEN")?;
        let usage = self.command("MEMORY", value::args(["USAGE", key::EVENTS, "SAMPLES", "5"])).await?;
        Ok((entries, usage.as_u64().unwrap_or(0)))
    }

    pub(crate) async fn group_states(&self, stream: &str) -> Result<Vec<GroupState>, StoreError> {
        let reply = match self.command("XINFO", value::args(["GROUPS", stream])).await {
            Err(StoreError::Refused(error)) if error.details().contains("no such key") => return Ok(Vec::new()),
            other => other?,
        };
        let mut groups = Vec::new();
        for group in value::array(reply, "XINFO GROUPS")? {
            let fields = value::map(group, "XINFO GROUPS")?;
            let field = |name: &str| fields.get(name).cloned().ok_or(StoreError::Reply("XINFO GROUPS"));
            let (name, last_delivered_id) = (field("name")?, field("last-delivered-id")?);
            let pending = field("pending")?.parse().map_err(|_| StoreError::Reply("XINFO GROUPS"))?;
            let summary = self.command("XPENDING", value::args([stream, &name])).await?;
            let oldest = value::array(summary, "XPENDING")?.get(1).and_then(Value::as_string);
            groups.push(GroupState { name, pending, last_delivered_id, oldest_pending_id: oldest });
        }
        Ok(groups)
    }
}

impl EventEntry {
    fn decode(raw: RawEntry) -> Self {
        let facts = raw.pairs().find(|(name, _)| *name == b"facts").map(|(_, value)| value.to_vec());
        let lines = match facts {
            Some(facts) => facts.split(|byte| *byte == b'\n').map(decode_line).collect(),
            None => vec![Err(raw.pairs().flat_map(|(name, value)| [name, b"=", value, b" "].concat()).collect())],
        };
        Self { entry_id: raw.id, lines }
    }
}

fn decode_line(line: &[u8]) -> Result<Fact, Vec<u8>> {
    std::str::from_utf8(line).ok().and_then(|text| Fact::decode(text).ok()).ok_or_else(|| line.to_vec())
}
