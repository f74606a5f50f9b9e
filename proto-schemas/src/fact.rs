//! A fact: one line of the log `events`, in the past tense.
//!
//! `task index generation fact attempt crashes worker ms [reason]`, separated by single spaces. No part is free text,
//! so a line can be read by eye, split by any language, and never carries a payload. A fact about the task as a whole
//! has index `-`; one that cancels neighbours says `first-last`.

use crate::entry::digits;
use crate::id::{ConsumerName, Kind, TaskId};
use crate::limit::SUBTASKS_MAX;
use crate::status::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::status::UnknownWord;

words! {
    /// What happened.
    FactKind, "fact" {
        /// The task was accepted (index `-`).
        Created = "created",
        /// A handler has been running for a while.
        Started = "started",
        /// An attempt failed and another is scheduled.
        Retrying = "retrying",
        /// A worker died with it; it was added again.
        Crashed = "crashed",
        /// A worker handed it back unfinished.
        Returned = "returned",
        /// It waits for a worker that serves its kind.
        Parked = "parked",
        /// It ended well.
        Completed = "completed",
        /// It gave up.
        Failed = "failed",
        /// It will not run.
        Cancelled = "cancelled",
        /// A later generation was opened.
        Requeued = "requeued",
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// The task.
    pub task_id: TaskId,
    /// The subtask's place in the plan; `None`, written `-`, for the task as a whole.
    pub index: Option<u32>,
    /// The last of several neighbours that were cancelled at once, at most 1,000 of them.
    pub last: Option<u32>,
    /// The generation the fact belongs to.
    pub generation: u32,
    /// What happened.
    pub kind: FactKind,
    /// The attempt it happened to.
    pub attempt: u32,
    /// The crashes counted by then.
    pub crashes: u32,
    /// Who wrote it.
    pub worker: ConsumerName,
    /// Redis' clock, ms of the Unix epoch.
    pub at_ms: u64,
    /// One word why.
    pub reason: Option<ReasonCode>,
}

/// A machine-readable reason: one word out of the alphabet of kinds.
pub type ReasonCode = Kind;

/// A line that is not a fact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed fact line: {0}")]
pub struct FactError(&'static str);

impl Fact {
    /// Everything that stands before the time, which only Redis knows: scripts append ` ms [reason]`.
    pub fn encode_prefix(&self) -> String {
        let Self { task_id, generation, kind, attempt, crashes, worker, .. } = self;
        let place = match (self.index, self.last) {
            (Some(index), Some(last)) => format!("{index}-{last}"),
            (Some(index), None) => index.to_string(),
            (None, _) => "-".to_owned(),
        };
        format!("{task_id} {place} {generation} {kind} {attempt} {crashes} {worker}")
    }

    /// Every index it is about; none for the task as a whole.
    pub fn indexes(&self) -> impl Iterator<Item = u32> + use<> {
        let last = self.last.or(self.index);
        self.index.zip(last).into_iter().flat_map(|(first, last)| first..=last)
    }

    /// The whole line.
    pub fn encode(&self) -> String {
        let mut line = format!("{} {}", self.encode_prefix(), self.at_ms);
        if let Some(reason) = &self.reason {
            line.push(' ');
            line.push_str(reason.as_str());
        }
        line
    }

    /// Reads one line; words after the reason are refused.
    pub fn decode(line: &str) -> Result<Self, FactError> {
        let mut parts = line.split(' ');
        let mut part = |name| parts.next().ok_or(FactError(name));
        let (task, index, generation) = (part("task")?, part("index")?, part("generation")?);
        let (kind, attempt, crashes) = (part("fact")?, part("attempt")?, part("crashes")?);
        let (worker, at_ms) = (part("worker")?, part("ms")?);
        let reason = parts.next();
        if parts.next().is_some() {
            return Err(FactError("too many parts"));
        }
        let small = |text, name| digits(text).and_then(|n| u32::try_from(n).ok()).ok_or(FactError(name));
        let kind = kind.parse().map_err(|_| FactError("fact"))?;
        let (index, last) = match index.split_once('-') {
            None => (Some(small(index, "index")?), None),
            Some(("", "")) => (None, None),
            Some((first, last)) if kind == FactKind::Cancelled => {
                let (first, last) = (small(first, "index")?, small(last, "index")?);
                if last <= first || (last - first) as usize >= SUBTASKS_MAX {
                    return Err(FactError("index"));
                }
                (Some(first), Some(last))
            }
            Some(_) => return Err(FactError("index")),
        };
        Ok(Self {
            task_id: TaskId::new(task).map_err(|_| FactError("task"))?,
            index,
            last,
            generation: small(generation, "generation")?,
            kind,
            attempt: small(attempt, "attempt")?,
            crashes: small(crashes, "crashes")?,
            worker: ConsumerName::new(worker).map_err(|_| FactError("worker"))?,
            at_ms: digits(at_ms).ok_or(FactError("ms"))?,
            reason: reason.map(|text| ReasonCode::new(text).map_err(|_| FactError("reason"))).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_itself() {
        for line in [
            "01J - 0 created 0 0 orchestrator 1790000000000",
            "01J 3 0 completed 1 0 worker-1:ab@host,x 1790000000000",
            "01J 3 2 failed 5 1 w 1 timeout",
            "01J 0-999 0 cancelled 0 0 w 1",
        ] {
            assert_eq!(Fact::decode(line).unwrap().encode(), line);
        }
    }

    #[test]
    fn a_range_is_about_all_of_it() {
        let indexes = |line: &str| Fact::decode(line).unwrap().indexes().collect::<Vec<_>>();
        assert_eq!(indexes("t 3-5 0 cancelled 0 0 w 1"), [3, 4, 5]);
        assert_eq!(indexes("t 3 0 cancelled 0 0 w 1"), [3]);
        assert!(indexes("t - 0 created 0 0 w 1").is_empty());
    }

    #[test]
    fn a_bad_line_is_named_by_its_part() {
        for (line, part) in [
            ("", "index"),
            ("t", "index"),
            ("t x 0 completed 1 0 w 1", "index"),
            ("t 0 0 done 1 0 w 1", "fact"),
            ("t 0 0 completed 1 0 w now", "ms"),
            ("t 0 0 completed 1 0 w 1 why because", "too many parts"),
            ("t 0 0 completed 1 0 w 1 ", "reason"),
            ("t 0-1 0 completed 1 0 w 1", "index"),
            ("t 1-1 0 cancelled 1 0 w 1", "index"),
            ("t 0-1000 0 cancelled 1 0 w 1", "index"),
        ] {
            assert_eq!(Fact::decode(line), Err(FactError(part)), "{line}");
        }
    }
}
