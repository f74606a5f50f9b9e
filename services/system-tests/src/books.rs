//! What a stranger reads in Redis about a stack: facts, pending entries, hashes.

use crate::process::Process;
use crate::redis::Reply;
use crate::stack::Stack;
use std::collections::BTreeMap;

/// The four streams of the default queue.
pub const STREAMS: [&str; 4] =
    ["subtasks:default:critical", "subtasks:default:high", "subtasks:default:medium", "subtasks:default:low"];

/// One line of the log, as words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The task.
    pub task_id: String,
    /// The place in its plan, or `-`.
    pub index: String,
    /// Which of its lives, from 0.
    pub generation: u64,
    /// What happened.
    pub fact: String,
    /// The attempt it happened to.
    pub attempt: u64,
    /// The crashes counted by then.
    pub crashes: u64,
    /// Who wrote it.
    pub worker: String,
    /// When, by Redis' clock, in ms of the Unix epoch.
    pub at_ms: u64,
}

/// An entry that someone holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its stream.
    pub stream: String,
    /// Its id.
    pub entry_id: String,
    /// Who holds it.
    pub consumer: String,
}

impl Stack {
    /// Every fact, in the order of the log.
    pub fn log(&self) -> Vec<Fact> {
        let log = self.redis.command(&["XRANGE", "events", "-", "+"]);
        let of = |entry: &Reply| fields(&entry.items()[1]).remove("facts").unwrap_or_default();
        log.items().iter().flat_map(|entry| of(entry).lines().map(Fact::read).collect::<Vec<_>>()).collect()
    }

    /// Every fact about a task, in the order of the log.
    pub fn facts(&self, task_id: &str) -> Vec<Fact> {
        self.log().into_iter().filter(|fact| fact.task_id == task_id).collect()
    }

    /// How many facts of one word there are about a task.
    pub fn fact_count(&self, task_id: &str, word: &str) -> usize {
        self.facts(task_id).iter().filter(|fact| fact.fact == word).count()
    }

    /// What is pending in the work streams.
    pub fn pending(&self) -> Vec<Pending> {
        STREAMS.iter().flat_map(|stream| self.pending_in(stream, "workers")).collect()
    }

    /// What is pending in a group of a stream, nothing as long as there is no such group.
    pub fn pending_in(&self, stream: &str, group: &str) -> Vec<Pending> {
        let Reply::Array(rows) = self.redis.command(&["XPENDING", stream, group, "-", "+", "1000"]) else {
            return Vec::new(); // the group is made by its first reader
        };
        let pending = |row: &Reply| Pending {
            stream: stream.to_owned(),
            entry_id: row.items()[0].text(),
            consumer: row.items()[1].text(),
        };
        rows.iter().map(pending).collect()
    }

    /// What a worker holds.
    pub fn held_by(&self, worker: &Process) -> Vec<Pending> {
        let middle = format!("-{}-", worker.pid());
        self.pending().into_iter().filter(|pending| pending.consumer.contains(&middle)).collect()
    }

    /// Every entry of the work streams, as its fields.
    pub fn entries(&self) -> Vec<BTreeMap<String, String>> {
        let of = |stream: &str| self.redis.command(&["XRANGE", stream, "-", "+"]);
        STREAMS
            .iter()
            .flat_map(|stream| of(stream).items().iter().map(|entry| fields(&entry.items()[1])).collect::<Vec<_>>())
            .collect()
    }

    /// A hash as text.
    pub fn hash(&self, key: &str) -> BTreeMap<String, String> {
        fields(&self.redis.command(&["HGETALL", key]))
    }

    /// The stored result of a subtask as text; empty if there is none.
    pub fn result(&self, subtask_id: &str) -> String {
        self.redis.command(&["GET", &format!("result:{subtask_id}")]).text()
    }

    /// The bytes that Redis uses.
    pub fn memory(&self) -> u64 {
        let info = self.redis.command(&["INFO", "memory"]).text();
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|text| text.trim().parse().ok()).expect("a number")
    }

    /// Every key there is, in order: a test may walk what is its own.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.redis.command(&["KEYS", "*"]).items().iter().map(Reply::text).collect();
        keys.sort();
        keys
    }

    /// How much a stream, a sorted set, a hash or a list holds, by the command that tells.
    pub fn length(&self, command: &str, key: &str) -> i64 {
        self.redis.command(&[command, key]).integer()
    }

    /// Redis' clock, in ms of the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        let time = self.redis.command(&["TIME"]);
        let part = |at: usize| time.items()[at].integer() as u64;
        part(0) * 1_000 + part(1) / 1_000
    }
}

impl Fact {
    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        let number = |at: usize| word(at).parse().unwrap_or_default();
        Self {
            task_id: word(0).to_owned(),
            index: word(1).to_owned(),
            generation: number(2),
            fact: word(3).to_owned(),
            attempt: number(4),
            crashes: number(5),
            worker: word(6).to_owned(),
            at_ms: number(7),
        }
    }
}

/// Names and values that came as one list.
pub fn fields(list: &Reply) -> BTreeMap<String, String> {
    list.items().chunks(2).map(|pair| (pair[0].text(), pair[1].text())).collect()
}
