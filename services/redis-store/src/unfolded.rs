//! How far the projectors are behind the log, in facts.

use crate::client::Store;
use crate::error::StoreError;
use crate::key;
use crate::value::{self, RawEntry};
use std::collections::HashMap;

/// So many places, evenly over the time of what is unread, stand for all of it: neither its begin nor its end alone,
/// where a burst of long entries would say too much of the rest, and hide it once it is overtaken.
const PLACES: u64 = 8;
/// Entries that are read at each.
const AT_EACH: &str = "4";

impl Store {
    /// About how many facts the projectors have yet to fold: entries that they have not acknowledged, times the lines
    /// that a sample of the unread ones has on average; of the newest, where all are read.
    pub async fn unfolded_facts(&self) -> Result<u64, StoreError> {
        let newest = self.log_ends("XREVRANGE", ["+", "-"], AT_EACH).await?;
        let Some(last) = newest.first() else { return Ok(0) };
        let mut read = "0-0".to_owned();
        let length = value::number(&self.command("XLEN", value::args([key::EVENTS])).await?, "XLEN")?;
        let entries = match self.projector_group().await? {
            None => length,
            Some(group) => {
                if let Some(id) = group.get("last-delivered-id") {
                    read.clone_from(id);
                }
                let number = |name: &str| group.get(name).and_then(|text| text.parse::<u64>().ok());
                let lag = match number("lag") {
                    Some(lag) => lag,
                    None => self.unread_by_time(group.get("last-delivered-id"), &last.id, length).await?,
                };
                lag.min(length) + number("pending").unwrap_or(0)
            }
        };
        let unread = self.sample(&read, &last.id).await?;
        let lines: Vec<u64> = if unread.is_empty() { newest.iter().map(lines_of).collect() } else { unread };
        Ok(entries * lines.iter().sum::<u64>() / lines.len() as u64)
    }

    /// The lines of some entries after `read`, each once.
    async fn sample(&self, read: &str, last: &str) -> Result<Vec<u64>, StoreError> {
        let first = self.log_ends("XRANGE", [&format!("({read}"), "+"], AT_EACH).await?;
        let begin = first.first().map_or(0, |entry| ms_of(&entry.id));
        let span = ms_of(last).saturating_sub(begin);
        let mut lines: HashMap<String, u64> = first.iter().map(|entry| (entry.id.clone(), lines_of(entry))).collect();
        if !first.is_empty() && span > 0 {
            for place in 1..=PLACES {
                let from = (begin + (span as f64 * place as f64 / PLACES as f64) as u64).to_string();
                let some = self.log_ends("XRANGE", [&from, "+"], AT_EACH).await?;
                lines.extend(some.iter().map(|entry| (entry.id.clone(), lines_of(entry))));
            }
        }
        Ok(lines.into_values().collect())
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

    /// Where the server does not know its lag (Redis 6.2, or a hand deleted entries): the part of the log's time that
    /// the group has not come to.
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
