//! The log as whoever follows it reads it, without a group: where it begins and ends, a page of it, what comes next,
//! and how far it is folded.

use crate::client::Store;
use crate::error::StoreError;
use crate::key;
use crate::value::{self, RawEntry};
use fred::types::Value;
use proto_schemas::{TaskId, TaskStatus, limit};
use std::collections::HashMap;
use std::time::Duration;

/// The ids between which the log lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSpan {
    /// The oldest entry that it still holds, if any.
    pub first: Option<String>,
    /// The newest that it ever held; `0-0` before the first.
    pub last: String,
    /// Whether nothing was ever taken out of it; `false` from a server that does not count what was added.
    pub is_whole: bool,
}

/// One entry of the log with its lines as they were written.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Its id.
    pub entry_id: String,
    facts: Vec<u8>,
}

/// What is asked of a task to see whether it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskState {
    /// Where it stands.
    pub status: TaskStatus,
    /// Counts the changes of its document.
    pub revision: u64,
    /// When it ended, ms of the Unix epoch.
    pub finished_at_ms: Option<u64>,
}

impl LogEntry {
    /// Its lines in their order; an entry without any is one line that is no fact.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.facts.split(|byte| *byte == b'\n')
    }

    fn decode(raw: &RawEntry) -> Self {
        let facts = raw.pairs().find(|(name, _)| *name == b"facts").map(|(_, value)| value.to_vec());
        Self { entry_id: raw.id.clone(), facts: facts.unwrap_or_default() }
    }
}

/// Entries of the projectors' pending list that are looked at.
const PENDING_MAX: usize = 1_000;

/// How far the log is folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folding {
    /// The oldest entry that is about to be folded.
    pub held: Option<String>,
    /// Entries that were given out so often that they cannot be folded, oldest first.
    pub stuck: Vec<String>,
    /// The newest entry that projectors have read.
    pub read: String,
}

impl Store {
    /// Where the log begins and ends; a log that is not there yet is empty.
    pub async fn log_span(&self) -> Result<LogSpan, StoreError> {
        let reply = match self.command("XINFO", value::args(["STREAM", key::EVENTS])).await {
            Err(StoreError::Refused(error)) if error.details().contains("no such key") => {
                return Ok(LogSpan { first: None, last: "0-0".to_owned(), is_whole: true });
            }
            other => value::array(other?, "XINFO STREAM")?,
        };
        let (mut first, mut last, mut length, mut added, mut items) = (None, None, None, None, reply.into_iter());
        while let (Some(name), Some(found)) = (items.next(), items.next()) {
            match name.into_string().as_deref() {
                Some("last-generated-id") => last = found.into_string(),
                Some("first-entry") if !found.is_null() => first = Some(RawEntry::decode(found, "XINFO STREAM")?.id),
                Some("length") => length = found.as_u64(),
                Some("entries-added") => added = found.as_u64(),
                _ => {}
            }
        }
        let last = last.ok_or(StoreError::Reply("XINFO STREAM"))?;
        Ok(LogSpan { first, last, is_whole: added.is_some() && length == added })
    }

    /// A page of the log, oldest first; `from` and `to` are bounds of XRANGE, `(` before an id leaves it out.
    pub async fn log_page(&self, from: &str, to: &str, count: usize) -> Result<Vec<LogEntry>, StoreError> {
        let args = value::args([key::EVENTS, from, to, "COUNT", &count.to_string()]);
        value::array(self.command("XRANGE", args).await?, "XRANGE")?
            .into_iter()
            .map(|entry| Ok(LogEntry::decode(&RawEntry::decode(entry, "XRANGE")?)))
            .collect()
    }

    /// At most `count` entries after entry `after`, waiting up to `block` for the first. Needs a connection of its own
    /// ([`Store::connect_again`]). Dropping the future loses nothing.
    pub async fn tail_log(&self, after: &str, count: usize, block: Duration) -> Result<Vec<LogEntry>, StoreError> {
        let block_ms = block.as_millis().max(1).to_string();
        let args = value::args(["COUNT", &count.to_string(), "BLOCK", &block_ms, "STREAMS", key::EVENTS, after]);
        let streams = value::streams(self.command_once("XREAD", args, block).await?, "XREAD")?;
        Ok(streams.iter().flat_map(|(_, entries)| entries).map(LogEntry::decode).collect())
    }

    /// The oldest entry that the projectors have not folded, if they hold one back, and the newest that they have read:
    /// what is older than the one and not newer than the other is folded.
    pub async fn folding(&self) -> Result<(Option<String>, String), StoreError> {
        let Some(mut group) = self.log_group(key::PROJECTOR_GROUP).await? else { return Ok((None, "0-0".to_owned())) };
        let read = group.remove("last-delivered-id").ok_or(StoreError::Reply("XINFO GROUPS"))?;
        let summary = self.command("XPENDING", value::args([key::EVENTS, key::PROJECTOR_GROUP])).await?;
        Ok((value::array(summary, "XPENDING")?.get(1).and_then(Value::as_string), read))
    }

    /// The same, where entries that cannot be folded hold nothing back: a person has to look at them first.
    pub async fn folding_past_stuck(&self) -> Result<Folding, StoreError> {
        let (_, read) = self.folding().await?;
        let pending = self.pending_events("-", PENDING_MAX).await?;
        let is_full = pending.len() == PENDING_MAX;
        let newest = pending.last().map(|entry| entry.entry_id.clone()).filter(|_| is_full);
        let (stuck, held): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|entry| entry.deliveries > limit::FOLD_DELIVERIES_MAX);
        let held = held.into_iter().next().map(|entry| entry.entry_id).or(newest); // what comes behind is not known
        Ok(Folding { held, stuck: stuck.into_iter().map(|entry| entry.entry_id).collect(), read })
    }

    /// What XINFO says of one group of the log. Any name may stand beside it, also one that is no text.
    pub(crate) async fn log_group(&self, name: &str) -> Result<Option<HashMap<String, String>>, StoreError> {
        let groups = match self.command("XINFO", value::args(["GROUPS", key::EVENTS])).await {
            Err(StoreError::Refused(error)) if error.details().contains("no such key") => return Ok(None),
            other => value::array(other?, "XINFO GROUPS")?,
        };
        for group in groups {
            let fields = value::map(group, "XINFO GROUPS")?;
            if fields.get("name").is_some_and(|found| found == name) {
                return Ok(Some(fields));
            }
        }
        Ok(None)
    }

    /// Where a task stands, or `None` if it is not there.
    pub async fn task_state(&self, task_id: &TaskId) -> Result<Option<TaskState>, StoreError> {
        let args = value::args([&key::task(task_id), "status", "revision", "finished_at"]);
        let fields = value::array(self.command("HMGET", args).await?, "HMGET")?;
        let mut texts = fields.into_iter().map(Value::into_string);
        let (status, revision, finished_at) = (texts.next().flatten(), texts.next().flatten(), texts.next().flatten());
        let Some(status) = status else { return Ok(None) };
        Ok(Some(TaskState {
            status: status.parse().map_err(|_| StoreError::Reply("HMGET"))?,
            revision: revision.and_then(|text| text.parse().ok()).unwrap_or(0),
            finished_at_ms: finished_at.and_then(|text| text.parse().ok()),
        }))
    }
}
