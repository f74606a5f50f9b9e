//! The log, read as a stranger reads it: the lines of `events`, folded by rules written down here a second time.

use super::ask;
use super::tasks::Record;
use crate::clock::{Moment, now};
use crate::error::ChaosError;
use crate::ledger::run::Run;
use std::collections::{BTreeMap, HashMap, HashSet};
use system_tests::books::fields;
use system_tests::redis::{Connection, Reply};

const PAGE: &str = "500";

/// One terminal fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// How the subtask ended.
    pub record: Record,
    /// The consumer that says so.
    pub by: String,
    /// When the line was read: it had happened by then.
    pub seen_at: Moment,
}

/// What the log tells.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Of each task, its terminal facts by generation and index.
    pub ends: HashMap<String, BTreeMap<(u32, u32), Vec<Told>>>,
    /// Tasks whose creation stands in the log: all that follows of them is there as well.
    pub created: HashSet<String>,
    /// How many facts there are of each word.
    pub counts: BTreeMap<String, u64>,
    /// How many lines could not be read.
    pub malformed: u64,
}

/// Reads all.
pub(super) fn read(redis: &mut Connection) -> Result<Facts, ChaosError> {
    let mut facts = Facts::default();
    let mut after = "-".to_owned();
    loop {
        let page = ask(redis, &["XRANGE", "events", &after, "+", "COUNT", PAGE])?;
        let Some(last) = page.items().last() else { return Ok(facts) };
        after = format!("({}", last.items().first().map(Reply::text).unwrap_or_default());
        for entry in page.items() {
            match lines_of(entry) {
                Some(lines) => lines.lines().for_each(|line| facts.take(line, now())),
                None => facts.malformed += 1,
            }
        }
    }
}

/// The lines of an entry of the log; `None` if it is none.
pub fn lines_of(entry: &Reply) -> Option<String> {
    entry.items().get(1).map(fields)?.remove("facts")
}

impl Facts {
    /// Takes one line, read at that moment: `task index generation fact attempt crashes worker ms [reason]`.
    pub fn take(&mut self, line: &str, seen_at: Moment) {
        if self.try_take(line, seen_at).is_none() {
            self.malformed += 1;
        }
    }

    fn try_take(&mut self, line: &str, seen_at: Moment) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let [task_id, index, generation, fact, attempt, crashes, by, _, ..] = words[..] else { return None };
        let reason = words.get(8).copied().unwrap_or_default();
        *self.counts.entry(fact.to_owned()).or_default() += 1;
        if fact == "created" {
            self.created.insert(task_id.to_owned());
        }
        if !["completed", "failed", "cancelled"].contains(&fact) || index == "-" {
            return Some(());
        }
        let (first, last) = index.split_once('-').unwrap_or((index, index));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let generation = generation.parse().ok()?;
        let (attempt, crashes) = (attempt.parse().ok()?, crashes.parse().ok()?);
        let ends = self.ends.entry(task_id.to_owned()).or_default();
        for index in first..=last.min(first + 1_000) {
            let record = Record { outcome: fact.to_owned(), attempt, crashes, reason: reason.to_owned() };
            ends.entry((generation, index)).or_default().push(Told { record, by: by.to_owned(), seen_at });
        }
        Some(())
    }
}

impl Told {
    /// Whether it was the consumer in whose process this run ran that says so, of the attempt that the run was.
    pub fn is_of(&self, run: &Run) -> bool {
        let is_same_attempt = (self.record.attempt, self.record.crashes) == (run.attempt, run.crashes);
        is_same_attempt && self.by.starts_with(&format!("{}-{}-", run.worker, run.pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_every_index_of_it_and_a_bad_line_is_counted() {
        let mut facts = Facts::default();
        for line in ["T - 0 created 0 0 api 1", "T 2-4 0 cancelled 0 0 api 2 deadline", "T 1 0 completed 1 2 w 3", "T"]
        {
            facts.take(line, 7);
        }
        let ends = &facts.ends["T"];
        assert_eq!(ends.keys().copied().collect::<Vec<_>>(), [(0, 1), (0, 2), (0, 3), (0, 4)]);
        let record = Record { outcome: "completed".to_owned(), attempt: 1, crashes: 2, reason: String::new() };
        assert_eq!(ends[&(0, 1)][0], Told { record, by: "w".to_owned(), seen_at: 7 });
        assert_eq!(ends[&(0, 4)][0].record.reason, "deadline");
        assert_eq!((facts.malformed, facts.counts["cancelled"]), (1, 1));
        assert!(facts.created.contains("T"));
    }
}
