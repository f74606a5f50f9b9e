//! What the commands read of dead letters.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A page of them.
#[derive(Debug, Deserialize)]
pub struct LetterPage {
    /// Newest first.
    pub dead_letters: Vec<Letter>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<String>,
    /// How many there are.
    pub total: u64,
    /// How many were trimmed away.
    pub trimmed: u64,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub struct Letter {
    /// Its id.
    pub entry_id: String,
    /// RFC 3339.
    pub buried_at: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, for people.
    pub error: String,
    /// Who buried it.
    pub worker: String,
    /// Where it came from.
    pub source: String,
    /// What it belongs to.
    pub subtask_id: Option<String>,
    /// What runs it.
    pub kind: Option<String>,
}

/// All of one.
#[derive(Debug, Deserialize)]
pub struct LetterWhole {
    /// Its head.
    pub letter: Letter,
    /// The handler's input.
    pub payload: Option<Box<RawValue>>,
    /// The fields of its entry.
    pub fields: Vec<Field>,
    /// The attempts before the last.
    pub history: Vec<Attempt>,
    /// Whether its task is there.
    pub task_exists: bool,
}

/// A field of its entry.
#[derive(Debug, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// An attempt before the last.
#[derive(Debug, Deserialize)]
pub struct Attempt {
    /// Which.
    pub attempt: u32,
    /// After how many crashes.
    pub crashes: u32,
    /// What became of it.
    pub fact: String,
    /// RFC 3339.
    pub at: String,
    /// Who ran it.
    pub worker: String,
    /// Why, in a word.
    pub reason: Option<String>,
}

/// What came of giving some back, in one answer or in several.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Requeued {
    /// How many were meant.
    pub matched: u64,
    /// How many run again.
    pub requeued: u64,
    /// How many were out of date.
    pub gone: u64,
    /// How many cannot run.
    pub unfit: u64,
    /// How many were not looked at.
    pub left: u64,
    /// Where the next request goes on.
    #[serde(skip_serializing)]
    pub next_cursor: Option<String>,
}

impl Requeued {
    /// Adds the answer to the next request, which has met again what was left.
    pub fn add(&mut self, next: Self) {
        self.matched = self.matched.saturating_sub(self.left) + next.matched;
        self.requeued += next.requeued;
        self.gone += next.gone;
        self.unfit += next.unfit;
        (self.left, self.next_cursor) = (next.left, next.next_cursor);
    }
}

/// What came of throwing some away, in one answer or in several.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Discarded {
    /// How many were meant.
    pub matched: u64,
    /// How many went.
    pub discarded: u64,
    /// How many of the confirmed ones were not looked at.
    pub left: u64,
    /// The newest one that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// Where the next request goes on.
    #[serde(skip_serializing)]
    pub next_cursor: Option<String>,
}
