//! What occurred, and how often; and the last things that were done, for who reads a failure.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How often each thing occurred.
#[derive(Debug, Clone, Default)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Counts one more.
    pub fn note(&mut self, word: impl Into<String>) {
        self.note_many(word, 1);
    }

    /// Counts several more; none leaves no trace.
    pub fn note_many(&mut self, word: impl Into<String>, times: u64) {
        if times > 0 {
            *self.0.entry(word.into()).or_default() += times;
        }
    }

    /// How often it occurred.
    pub fn count(&self, word: &str) -> u64 {
        self.0.get(word).copied().unwrap_or(0)
    }

    /// Adds what another history saw.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(word, times)| self.note_many(word, *times));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(word, times)| writeln!(f, "{times:8} {word}"))
    }
}

/// The last things that were done.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<VecDeque<String>>>);

/// Lines that are kept.
const KEPT: usize = 60;

impl Trace {
    /// Notes what is done now.
    pub fn say(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        if lines.len() > KEPT {
            lines.pop_front();
        }
    }

    /// Everything that is kept, a line each.
    pub fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("  {line}\n")).collect()
    }
}
