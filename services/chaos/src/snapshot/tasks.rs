//! Every task with its records and the fences that its results name.

use super::{ask, fields};
use crate::error::{ChaosError, io};
use crate::ledger::run::Fence;
use crate::probe::sound;
use crate::workload::order::seq_of;
use serde_json::Value;
use std::collections::HashMap;
use system_tests::redis::{Connection, Reply};

const PAGE: usize = 200;
const NAMES: [&str; 8] =
    ["description", "status", "total", "completed", "failed", "cancelled", "revision", "created_at"];

/// A task as it stands in Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskBook {
    /// The order it says it is, and whether it is the other document of its key.
    pub order: Option<(u64, bool)>,
    /// Its status, as its word.
    pub status: String,
    /// Subtasks in its plan.
    pub total: u32,
    /// Its counters: completed, failed, cancelled.
    pub counters: [u32; 3],
    /// How often it changed.
    pub revision: u64,
    /// Records of the current generations, by index.
    pub records: HashMap<u32, Record>,
    /// The current generation of each index that has another one than 0.
    pub generations: HashMap<u32, u32>,
    /// The fence that the result of a completed subtask names.
    pub winners: HashMap<u32, Fence>,
}

/// How a subtask ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// completed, failed or cancelled.
    pub outcome: String,
    /// At which attempt.
    pub attempt: u32,
    /// After how many crashes.
    pub crashes: u32,
    /// The word that says why; empty for none.
    pub reason: String,
}

/// Reads all.
pub(super) fn read(redis: &mut Connection) -> Result<HashMap<String, TaskBook>, ChaosError> {
    let ids = ask(redis, &["ZRANGE", "tasks", "0", "-1"])?;
    let ids: Vec<String> = ids.items().iter().map(Reply::text).collect();
    let mut tasks = HashMap::with_capacity(ids.len());
    for page in ids.chunks(PAGE) {
        let hash = page.iter().map(|id| {
            let mut command = vec!["HMGET".to_owned(), format!("task:{id}")];
            command.extend(NAMES.map(ToOwned::to_owned));
            command
        });
        let outcomes = page.iter().map(|id| vec!["HGETALL".to_owned(), format!("outcomes:{id}")]);
        let replies = redis.pipeline(&hash.chain(outcomes).collect::<Vec<_>>()).map_err(io("reading tasks"))?;
        let (hashes, outcomes) = replies.split_at(page.len());
        for ((id, hash), outcomes) in page.iter().zip(hashes).zip(outcomes) {
            tasks.insert(id.clone(), book(&sound(hash.clone())?, &sound(outcomes.clone())?));
        }
        read_winners(redis, page, &mut tasks)?;
    }
    Ok(tasks)
}

fn book(hash: &Reply, outcomes: &Reply) -> TaskBook {
    let text: Vec<String> = hash.items().iter().map(Reply::text).collect();
    let text = |at: usize| text.get(at).map_or("", String::as_str);
    let number = |at: usize| text(at).parse().unwrap_or(0);
    let mut book = TaskBook {
        order: seq_of(text(0)),
        status: text(1).to_owned(),
        total: number(2),
        counters: [number(3), number(4), number(5)],
        revision: text(6).parse().unwrap_or(0),
        ..TaskBook::default()
    };
    let fields = fields(outcomes);
    for (name, value) in &fields {
        if let Some(index) = name.strip_prefix("g:") {
            book.generations.extend(index.parse::<u32>().ok().zip(value.parse::<u32>().ok()));
        }
    }
    for (name, value) in &fields {
        let (index, generation) = name.split_once('@').unwrap_or((name, "0"));
        let (Ok(index), Ok(generation)) = (index.parse::<u32>(), generation.parse::<u32>()) else { continue };
        if book.generations.get(&index).copied().unwrap_or(0) == generation {
            book.records.extend(Some(index).zip(Record::read(value)));
        }
    }
    book
}

/// The fences in the results of what completed.
fn read_winners(
    redis: &mut Connection,
    page: &[String],
    tasks: &mut HashMap<String, TaskBook>,
) -> Result<(), ChaosError> {
    let mut wanted: Vec<(String, u32)> = Vec::new();
    for id in page {
        let records = tasks.get(id).into_iter().flat_map(|book| &book.records);
        let completed = records.filter(|(_, record)| record.outcome == "completed");
        wanted.extend(completed.map(|(index, _)| (id.clone(), *index)));
    }
    let commands: Vec<Vec<String>> =
        wanted.iter().map(|(id, index)| vec!["GET".to_owned(), format!("result:{id}-{index}")]).collect();
    let replies = redis.pipeline(&commands).map_err(io("reading results"))?;
    for ((id, index), reply) in wanted.into_iter().zip(replies) {
        let result: Value = serde_json::from_str(&reply.text()).unwrap_or_default();
        let fence = result["output"]["fence"].as_str().and_then(Fence::read);
        if let Some(book) = tasks.get_mut(&id) {
            book.winners.extend(Some(index).zip(fence));
        }
    }
    Ok(())
}

impl Record {
    /// Reads `outcome attempt crashes ms [reason]`.
    pub fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [outcome, attempt, crashes, ..] = words[..] else { return None };
        let (outcome, reason) = (outcome.to_owned(), words.get(4).copied().unwrap_or_default().to_owned());
        Some(Self { outcome, attempt: attempt.parse().ok()?, crashes: crashes.parse().ok()?, reason })
    }
}
