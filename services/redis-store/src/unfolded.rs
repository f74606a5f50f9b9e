//! How far the projectors are behind the log, in facts.

use crate::client::Store;
use crate::error::StoreError;
use crate::key;
use crate::value::{self, RawEntry};
use std::collections::HashMap;

/// The newest entries stand for all: what is behind is mostly alike.
const SAMPLE: &str = "8";

impl Store {
    /// About how many facts the projectors have yet to fold: entries that they have not acknowledged, times the lines of
    /// the newest ones.
    pub async fn unfolded_facts(&self) -> Result<u64, StoreError> {
        let newest = self.log_ends("XREVRANGE", ["+", "-"], SAMPLE).await?;
        let Some(last) = newest.first() else { return Ok(0) };
        let length = value::number(&self.command("XLEN", value::args([key::EVENTS])).await?, "XLEN")?;
        let entries = match self.projector_group().await? {
            None => length,
            Some(group) => {
                let number = |name: &str| group.get(name).and_then(|text| text.parse::<u64>().ok());
                let lag = match number("lag") {
                    Some(lag) => lag,
                    None => self.unread_by_time(group.get("last-delivered-id"), &last.id, length).await?,
                };
                lag.min(length) + number("pending").unwrap_or(0)
            }
        };
        let lines: u64 = newest.iter().map(lines_of).sum();
        Ok(entries * lines / newest.len() as u64)
    }

    async fn projector_group(&self) -> Result<Option<HashMap<String, String>>, StoreError> {
        let groups = value::array(self.command("XINFO", value::args(["GROUPS", key::EVENTS])).await?, "XINFO GROUPS")?;
        for group in groups {
            let fields = value::map(group, "XINFO GROUPS")?;
            if fields.get("name").is_some_and(|name| name == key::PROJECTOR_GROUP) {
                return Ok(Some(fields));
            }
        }
        Ok(None)
    }

    /// Where the server does not know its lag (Redis 6.2, or a hand deleted entries): the part of the log's time that the
    /// group has not come to.
    async fn unread_by_time(&self, read: Option<&String>, last: &str, length: u64) -> Result<u64, StoreError> {
        let first = self.log_ends("XRANGE", ["-", "+"], "1").await?;
        let first = first.first().map_or(0, |entry| ms_of(&entry.id));
        if read.is_some_and(|id| id == last) {
            return Ok(0);
        }
        let (read, end) = (read.map_or(0, |id| ms_of(id)).max(first), ms_of(last));
        let (behind, whole) = (end.saturating_sub(read) + 1, end.saturating_sub(first) + 1);
        Ok((length as f64 * (behind as f64 / whole as f64)) as u64)
    }

    async fn log_ends(&self, command: &'static str, ids: [&str; 2], count: &str) -> Result<Vec<RawEntry>, StoreError> {
        let args = value::args([key::EVENTS, ids[0], ids[1], "COUNT", count]);
        let entries = value::array(self.command(command, args).await?, command)?;
        entries.into_iter().map(|entry| RawEntry::decode(entry, command)).collect()
    }
}

fn lines_of(entry: &RawEntry) -> u64 {
    let facts = entry.pairs().find(|(name, _)| *name == b"facts").map_or(&b""[..], |(_, text)| text);
    1 + facts.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn ms_of(entry_id: &str) -> u64 {
    entry_id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0)
}
