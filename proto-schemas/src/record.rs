//! What `outcomes:<task>` keeps: a terminal record for each subtask that ended, a progress line for the others.
//!
//! A record, field `<index>` (`<index>@<generation>` of later generations), is
//! `outcome attempt crashes ms [reason]`, at most 64 bytes: the reason is cut to fit. A progress line, field
//! `~<index>`, is `generation attempt crashes ms fact worker`; lines are merged by taking the greatest.

use crate::entry::digits;
use crate::fact::{Fact, FactKind};
use crate::limit::RECORD_BYTES_MAX;
use crate::status::{Outcome, SubtaskStatus};

/// The one outcome of a subtask's generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How it ended.
    pub outcome: Outcome,
    /// At which attempt; 0 if it was cancelled from outside.
    pub attempt: u32,
    /// After how many crashes.
    pub crashes: u32,
    /// When, in ms of the Unix epoch.
    pub at_ms: u64,
    /// One word why, cut to fit 64 bytes.
    pub reason: Option<String>,
}

/// The newest non-terminal state that the log told. Its order is the merge order: the greatest wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Progress {
    /// The generation.
    pub generation: u32,
    /// The attempt.
    pub attempt: u32,
    /// The crashes counted by then.
    pub crashes: u32,
    /// When, in ms of the Unix epoch.
    pub at_ms: u64,
    /// The fact that told it, as its word.
    pub fact: String,
    /// Who wrote the fact.
    pub worker: String,
}

/// A field of `outcomes:<task>` that is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub struct RecordError(&'static str);

/// The field of `outcomes:<task>` that keeps the record of a generation.
pub fn field_of(index: u32, generation: u32) -> String {
    if generation == 0 { index.to_string() } else { format!("{index}@{generation}") }
}

/// The field of `outcomes:<task>` that keeps the current generation, if it is not 0.
pub fn generation_field(index: u32) -> String {
    format!("g:{index}")
}

impl Record {
    /// The record that `fact` leaves, or `None` if it is not terminal.
    pub fn of(fact: &Fact) -> Option<Self> {
        let outcome = match fact.kind {
            FactKind::Completed => Outcome::Completed,
            FactKind::Failed => Outcome::Failed,
            FactKind::Cancelled => Outcome::Cancelled,
            _ => return None,
        };
        let reason = fact.reason.as_ref().map(|reason| reason.to_string());
        Some(Self { outcome, attempt: fact.attempt, crashes: fact.crashes, at_ms: fact.at_ms, reason })
    }

    /// At most 64 bytes; a reason that does not fit is cut.
    pub fn encode(&self) -> String {
        let mut text = format!("{} {} {} {}", self.outcome, self.attempt, self.crashes, self.at_ms);
        if let Some(reason) = &self.reason {
            text.push(' ');
            text.push_str(reason);
            text.truncate(RECORD_BYTES_MAX); // ASCII only: a reason is a token
        }
        text
    }

    /// Reads what [`Record::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, RecordError> {
        let parts: Vec<&str> = text.splitn(5, ' ').collect();
        let [outcome, attempt, crashes, at_ms, ..] = parts[..] else { return Err(RecordError("record")) };
        Ok(Self {
            outcome: outcome.parse().map_err(|_| RecordError("record"))?,
            attempt: small(attempt).ok_or(RecordError("record"))?,
            crashes: small(crashes).ok_or(RecordError("record"))?,
            at_ms: digits(at_ms).ok_or(RecordError("record"))?,
            reason: parts.get(4).map(|reason| (*reason).to_owned()),
        })
    }
}

impl Progress {
    /// The progress that `fact` tells, or `None` if it is terminal or about the whole task.
    pub fn of(fact: &Fact) -> Option<Self> {
        fact.index?;
        match fact.kind {
            FactKind::Started | FactKind::Retrying | FactKind::Crashed | FactKind::Returned | FactKind::Parked => {
                Some(Self {
                    generation: fact.generation,
                    attempt: fact.attempt,
                    crashes: fact.crashes,
                    at_ms: fact.at_ms,
                    fact: fact.kind.to_string(),
                    worker: fact.worker.to_string(),
                })
            }
            FactKind::Created | FactKind::Completed | FactKind::Failed | FactKind::Cancelled | FactKind::Requeued => {
                None
            }
        }
    }

    /// One line of six words.
    pub fn encode(&self) -> String {
        let Self { generation, attempt, crashes, at_ms, fact, worker } = self;
        format!("{generation} {attempt} {crashes} {at_ms} {fact} {worker}")
    }

    /// Reads what [`Progress::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, RecordError> {
        let parts: Vec<&str> = text.split(' ').collect();
        let [generation, attempt, crashes, at_ms, fact, worker] = parts[..] else {
            return Err(RecordError("progress"));
        };
        Ok(Self {
            generation: small(generation).ok_or(RecordError("progress"))?,
            attempt: small(attempt).ok_or(RecordError("progress"))?,
            crashes: small(crashes).ok_or(RecordError("progress"))?,
            at_ms: digits(at_ms).ok_or(RecordError("progress"))?,
            fact: fact.to_owned(),
            worker: worker.to_owned(),
        })
    }

    /// What people read for it.
    pub fn status(&self) -> SubtaskStatus {
        match self.fact.as_str() {
            "started" => SubtaskStatus::Running,
            "retrying" | "parked" => SubtaskStatus::Delayed,
            _ => SubtaskStatus::Queued,
        }
    }
}

fn small(text: &str) -> Option<u32> {
    digits(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_never_exceeds_its_bytes() {
        let long = Record {
            outcome: Outcome::Cancelled,
            attempt: u32::MAX,
            crashes: u32::MAX,
            at_ms: 999_999_999_999_999,
            reason: Some("r".repeat(64)),
        };
        assert_eq!(long.encode().len(), RECORD_BYTES_MAX);
        assert_eq!(Record::decode(&long.encode()).unwrap().outcome, Outcome::Cancelled);
    }

    #[test]
    fn both_read_back_as_themselves() {
        for text in ["completed 1 0 1790000000000", "failed 5 2 1 timeout"] {
            assert_eq!(Record::decode(text).unwrap().encode(), text);
        }
        let line = "0 2 1 1790000000000 started w@h";
        assert_eq!(Progress::decode(line).unwrap().encode(), line);
        assert!(Record::decode("done 1 0 1").is_err() && Progress::decode("0 1").is_err());
    }

    #[test]
    fn a_later_attempt_is_greater_than_a_later_time() {
        let older = Progress::decode("0 1 9 9 started w").unwrap();
        let newer = Progress::decode("0 2 0 1 retrying w").unwrap();
        assert!(newer > older);
    }
}
