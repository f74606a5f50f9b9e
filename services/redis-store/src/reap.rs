//! Re-adding what dead workers left.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::{script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, QueueName, limit};
use std::time::Duration;

/// Where the last round stopped, one cursor for each stream of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReapCursors([String; 4]);

impl Default for ReapCursors {
    fn default() -> Self {
        Self(std::array::from_fn(|_| "0-0".to_owned()))
    }
}

impl ReapCursors {
    /// Whether every stream was looked through to its end.
    pub fn is_done(&self) -> bool {
        self.0.iter().all(|cursor| cursor == "0-0")
    }
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Re-added with one crash more.
    pub returned: u64,
    /// Buried after too many crashes.
    pub buried: u64,
    /// Dead-lettered because nobody can run them.
    pub malformed: u64,
    /// Pending ids whose entry someone had deleted: must be 0.
    pub ghosts: u64,
}

/// What a round judges by.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What was idle for so long was left by a dead worker.
    pub lease: Duration,
    /// By Redis' clock, ms of the Unix epoch: a call that Redis runs later does nothing. It hung in an outage, and so
    /// did the renewals of those it would call dead.
    pub not_after_ms: Option<u64>,
}

/// What a round has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// What it did.
    pub reaped: Reaped,
    /// Until the next of what waits for its time is due: promote then. `None` if nothing waits.
    pub next_due: Option<Duration>,
}

/// The answer to asking for a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It was ours.
    Ran(Round),
    /// Another worker has had it.
    Skipped,
    /// The call arrived later than it was to: nothing was judged.
    Late,
}

/// Entries a stream and round.
const COUNT: &str = "100";

impl Store {
    /// Runs this second's round for `queue` unless another worker already has: then `None`.
    pub async fn reap(
        &self,
        by: &ConsumerName,
        queue: &QueueName,
        lease: Duration,
        cursors: &mut ReapCursors,
    ) -> Result<Option<Reaped>, StoreError> {
        match self.ask_round(by, queue, Rule { lease, not_after_ms: None }, cursors).await? {
            Asked::Ran(round) => Ok(Some(round.reaped)),
            Asked::Skipped | Asked::Late => Ok(None),
        }
    }

    /// The same by a rule that may have an end; also tells when to promote.
    pub async fn ask_round(
        &self,
        by: &ConsumerName,
        queue: &QueueName,
        rule: Rule,
        cursors: &mut ReapCursors,
    ) -> Result<Asked, StoreError> {
        let mut args = value::args([
            key::WORKERS_GROUP,
            by.as_str(),
            &rule.lease.as_millis().to_string(),
            COUNT,
            &limit::CRASHES_MAX.to_string(),
            &limit::CRASHES_CAP.to_string(),
            &limit::ALONE_DELIVERIES.to_string(),
            &limit::DEAD_LETTERS_MAX.to_string(),
            &rule.not_after_ms.map_or_else(String::new, |ms| ms.to_string()),
        ]);
        args.extend(cursors.0.iter().map(|cursor| Value::from(cursor.as_str())));
        let mut keys = vec![
            key::maintenance(queue),
            key::EVENTS.to_owned(),
            key::DEAD_LETTERS.to_owned(),
            key::bell(queue),
            key::META.to_owned(),
            key::DELAYED.to_owned(),
        ];
        keys.extend(Stream::of(queue).iter().map(Stream::key));
        let answer = value::array(self.eval(&script::REAP, keys, args).await?, "reap")?;
        let word = |at: usize| answer.get(at).and_then(Value::as_string).ok_or(StoreError::Reply("reap"));
        match word(0)?.as_str() {
            "late" => Ok(Asked::Late),
            "skipped" => Ok(Asked::Skipped),
            "ran" => {
                for (at, cursor) in cursors.0.iter_mut().enumerate() {
                    *cursor = word(6 + at)?;
                }
                read_round(&answer).map(Asked::Ran)
            }
            _ => Err(StoreError::Reply("reap")),
        }
    }
}

fn read_round(answer: &[Value]) -> Result<Round, StoreError> {
    let count = |at: usize| answer.get(at).map_or(Err(StoreError::Reply("reap")), |n| value::number(n, "reap"));
    let reaped = Reaped { returned: count(1)?, buried: count(2)?, malformed: count(3)?, ghosts: count(4)? };
    // A score that a stranger wrote may be no number of ours: the next promotion looks by itself.
    let next_due = answer.get(5).and_then(Value::as_u64).map(Duration::from_millis);
    Ok(Round { reaped, next_due })
}
