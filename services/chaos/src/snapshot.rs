//! What lies in Redis when nothing moves any more, read once and kept as plain values.
//!
//! [`tasks`] and [`facts`] are read page by page; here, what counts only.

pub mod facts;
pub mod tasks;

use crate::error::ChaosError;
use crate::probe::{Probe, sound};
use facts::Facts;
use std::collections::HashMap;
use system_tests::books::STREAMS;
use system_tests::redis::{Connection, Reply};
use tasks::TaskBook;

/// Redis at rest.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every task that is listed, by id.
    pub tasks: HashMap<String, TaskBook>,
    /// The log.
    pub facts: Facts,
    /// Things that must not be there at rest, by name, with how many there are.
    pub left: Vec<(String, u64)>,
    /// Entries that were ever added to the work streams.
    pub entries_added: u64,
}

/// Reads everything; blocks for as long as it takes.
pub fn read(probe: &Probe) -> Result<Snapshot, ChaosError> {
    let mut redis = probe.connect()?;
    let mut snapshot =
        Snapshot { tasks: tasks::read(&mut redis)?, facts: facts::read(&mut redis)?, ..Default::default() };
    for stream in STREAMS {
        let info = fields(&ask(&mut redis, &["XINFO", "STREAM", stream])?);
        snapshot.entries_added += info.get("entries-added").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let pending = ask(&mut redis, &["XPENDING", stream, "workers"])?;
        let pending = pending.items().first().map_or(0, number);
        let length = info.get("length").and_then(|text| text.parse().ok()).unwrap_or(0);
        snapshot.note(&format!("entries in {stream}"), length);
        snapshot.note(&format!("pending entries in {stream}"), pending);
    }
    for (name, command) in [
        ("delayed", ["ZCARD", "delayed"]),
        ("delayed:body", ["HLEN", "delayed:body"]),
        ("tasks:queued", ["ZCARD", "tasks:queued"]),
        ("tasks:processing", ["ZCARD", "tasks:processing"]),
    ] {
        let count = number(&ask(&mut redis, &command)?);
        snapshot.note(name, count);
    }
    let plans = scan(&mut redis, "plan:*")?;
    snapshot.note("plans", plans);
    for group in ask(&mut redis, &["XINFO", "GROUPS", "events"])?.items() {
        let group = fields(group);
        let pending = group.get("pending").and_then(|text| text.parse().ok()).unwrap_or(0);
        snapshot.note("pending entries in events", pending);
    }
    Ok(snapshot)
}

impl Snapshot {
    fn note(&mut self, name: &str, count: u64) {
        if count > 0 {
            self.left.push((name.to_owned(), count));
        }
    }
}

/// Asks, and turns an error reply into an error; what does not exist reads as nothing.
fn ask(redis: &mut Connection, command: &[&str]) -> Result<Reply, ChaosError> {
    let reply = redis.command(command).map_err(crate::error::io("reading Redis at rest"))?;
    match reply {
        Reply::Error(text) if text.starts_with("NOGROUP") || text.contains("no such key") => Ok(Reply::Nil),
        other => sound(other),
    }
}

/// Names and values of a flat list, values as text.
fn fields(reply: &Reply) -> HashMap<String, String> {
    reply.items().chunks_exact(2).map(|pair| (pair[0].text(), pair[1].text())).collect()
}

fn number(reply: &Reply) -> u64 {
    reply.text().parse().unwrap_or(0)
}

fn scan(redis: &mut Connection, pattern: &str) -> Result<u64, ChaosError> {
    let (mut cursor, mut found) = ("0".to_owned(), 0);
    loop {
        let page = ask(redis, &["SCAN", &cursor, "MATCH", pattern, "COUNT", "10000"])?;
        let [next, keys] = page.items() else { return Ok(found) };
        found += keys.items().len() as u64;
        cursor = next.text();
        if cursor == "0" {
            return Ok(found);
        }
    }
}
