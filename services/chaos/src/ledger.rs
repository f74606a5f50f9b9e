//! What the harness knows without Redis: who asked for what, what ran, what took effect, what readers saw, what was
//! broken and when.
//!
//! In the order in which a task meets them: [`submission`], [`run`], [`effect`], [`sighting`], [`telling`]; beside them
//! [`fault`]. All times are of the one [`crate::clock`]. What other processes write is appended line by line, each with
//! one write(2), so that it survives whatever kills them.

pub mod effect;
pub mod fault;
pub mod run;
pub mod sighting;
pub mod submission;
pub mod telling;

use crate::error::{ChaosError, io};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A file that is only appended to, one line a call.
pub struct Lines(Mutex<File>);

impl Lines {
    /// Opens it, made if need be.
    pub fn open(path: &Path) -> Result<Self, ChaosError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(Mutex::new(file.map_err(io(format!("opening the ledger {}", path.display())))?)))
    }

    /// Appends one line in one write.
    pub fn write(&self, line: &str) -> std::io::Result<()> {
        let line = format!("{line}\n");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
    }
}

/// Reads every whole line of a ledger; one that its writer did not live to end is left out.
pub fn read<T>(path: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, ChaosError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io(format!("reading the ledger {}", path.display())))?,
    };
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole.map(|line| parse(line).ok_or_else(|| ChaosError::Ledger(line.to_owned()))).collect()
}
