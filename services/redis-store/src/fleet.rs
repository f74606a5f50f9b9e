//! The workers that say they live, and what each of them has leased.

use crate::client::Store;
use crate::error::StoreError;
use crate::heartbeat::{HEARTBEAT_TTL, Heartbeat};
use crate::key::{self, Stream};
use crate::read::PendingEntry;
use crate::value::{self, RawEntry};
use futures::future::try_join_all;
use proto_schemas::{ConsumerName, FactKind, Kind, Progress, SubtaskId, TaskId, WorkEntry};
use std::collections::HashMap;

/// Entries of a stream that are read at the same time: each may have a payload of 64 KiB.
const READS_MAX: usize = 32;

/// A worker as it said of itself last.
#[derive(Debug, Clone)]
pub struct FleetWorker {
    /// Its consumer: one process.
    pub consumer: ConsumerName,
    /// What it said.
    pub beat: Heartbeat,
}

/// An entry that somebody has leased.
#[derive(Debug, Clone)]
pub struct LeasedEntry {
    /// Where it is pending.
    pub stream: Stream,
    /// Its id: when it was added, ms, a dash, a number.
    pub entry_id: String,
    /// Who has it.
    pub consumer: String,
    /// Ms since the lease was taken or renewed.
    pub idle_ms: u64,
    /// How often it was delivered.
    pub deliveries: u64,
    /// What it is for; `None` if it cannot be read or is gone meanwhile.
    pub work: Option<LeasedWork>,
    /// When its handler began, in ms of the Unix epoch; `None` until that is folded.
    pub started_ms: Option<u64>,
}

/// What a leased entry is for. Its payload is left out, because thousands of entries are listed at once.
#[derive(Debug, Clone)]
pub struct LeasedWork {
    /// Its task.
    pub task_id: TaskId,
    /// Its subtask.
    pub subtask_id: SubtaskId,
    /// Its kind.
    pub kind: Kind,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How many workers have died with it.
    pub crashes: u32,
}

impl From<WorkEntry> for LeasedWork {
    fn from(entry: WorkEntry) -> Self {
        let WorkEntry { task_id, subtask_id, kind, attempt, crashes, .. } = entry;
        Self { task_id, subtask_id, kind, attempt, crashes }
    }
}

impl Store {
    /// Workers whose last beat is younger than [`HEARTBEAT_TTL`] and who have not left, the newest beat first, at most
    /// `count`; and how many beats there are in all.
    pub async fn fleet(&self, now_ms: u64, count: usize) -> Result<(Vec<FleetWorker>, u64), StoreError> {
        let since_ms = now_ms.saturating_sub(HEARTBEAT_TTL.as_millis() as u64).to_string();
        let page = value::args([key::WORKERS, "+inf", &since_ms, "LIMIT", "0", &count.to_string()]);
        let (names, all) = tokio::try_join!(
            self.command("ZREVRANGEBYSCORE", page),
            self.command("ZCOUNT", value::args([key::WORKERS, &since_ms, "+inf"])),
        )?;
        let names = value::words(names, "ZREVRANGEBYSCORE")?;
        let names = names.into_iter().filter_map(|name| ConsumerName::new(name).ok());
        let workers = try_join_all(names.map(async |consumer| self.fleet_worker(consumer).await)).await?;
        Ok((workers.into_iter().flatten().collect(), value::number(&all, "ZCOUNT")?))
    }

    async fn fleet_worker(&self, consumer: ConsumerName) -> Result<Option<FleetWorker>, StoreError> {
        let hash = self.command("HGETALL", value::args([&key::worker(consumer.as_str())])).await?;
        let beat = read_beat(&value::map(hash, "HGETALL")?);
        Ok(beat.map(|beat| FleetWorker { consumer, beat }))
    }

    /// What is leased of a stream, oldest first, at most `count` entries, each with what it is for.
    pub async fn leased(&self, stream: &Stream, count: usize) -> Result<Vec<LeasedEntry>, StoreError> {
        let pending = self.pending_page(stream, "-", count).await?;
        let mut leased = Vec::with_capacity(pending.len());
        for some in pending.chunks(READS_MAX) {
            leased.extend(try_join_all(some.iter().map(|row| self.leased_entry(stream, row))).await?);
        }
        Ok(leased)
    }

    async fn leased_entry(&self, stream: &Stream, row: &PendingEntry) -> Result<LeasedEntry, StoreError> {
        let entry = self.work_entry(stream, &row.entry_id).await?;
        let started_ms = match &entry {
            Some(entry) => self.started_ms(entry, &row.consumer).await?,
            None => None,
        };
        let PendingEntry { entry_id, consumer, idle_ms, deliveries } = row.clone();
        let (stream, work) = (stream.clone(), entry.map(LeasedWork::from));
        Ok(LeasedEntry { stream, entry_id, consumer, idle_ms, deliveries, work, started_ms })
    }

    async fn work_entry(&self, stream: &Stream, entry_id: &str) -> Result<Option<WorkEntry>, StoreError> {
        let found = self.command("XRANGE", value::args([&*stream.key(), entry_id, entry_id])).await?;
        Ok(value::array(found, "XRANGE")?.into_iter().next().and_then(|entry| {
            let raw = RawEntry::decode(entry, "XRANGE").ok()?;
            WorkEntry::decode(raw.pairs(), stream.priority).ok()
        }))
    }

    /// When `consumer` began this attempt, as its task's outcomes tell.
    async fn started_ms(&self, entry: &WorkEntry, consumer: &str) -> Result<Option<u64>, StoreError> {
        let args = value::args([&*key::outcomes(&entry.task_id), &format!("~{}", entry.index)]);
        let told = match self.command("HGET", args).await {
            Err(StoreError::WrongType(_)) => return Ok(None), // a hand's: `audit` names it
            told => told?.as_string(),
        };
        let told = told.and_then(|told| Progress::decode(&told).ok()).filter(|told| {
            told.fact == FactKind::Started.as_str()
                && told.worker == consumer
                && (told.generation, told.attempt, told.crashes) == (entry.generation, entry.attempt, entry.crashes)
        });
        Ok(told.map(|told| told.at_ms))
    }
}

/// What a worker said, as far as it can be read.
fn read_beat(fields: &HashMap<String, String>) -> Option<Heartbeat> {
    let text = |name: &str| fields.get(name).cloned();
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
    Some(Heartbeat {
        worker_id: text("worker_id")?,
        host: text("host")?,
        pid: number("pid").and_then(|pid| pid.try_into().ok())?,
        kinds: text("kinds")?,
        slots: number("slots")? as usize,
        running: number("running")? as usize,
        is_draining: fields.get("draining").is_some_and(|word| word == "1"),
        at_ms: number("heartbeat_at")?,
    })
}
