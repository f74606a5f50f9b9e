//! A mark in the environment, inherited by every descendant of a process whatever group or parent it moves to.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// One mark, different from every other of every test program.
pub struct Mark(String);

impl Mark {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn name(&self) -> &str {
        "SYSTEM_TEST_MARK"
    }

    pub(super) fn value(&self) -> &str {
        &self.0
    }

    /// The command lines of all living processes that carry it, by pid.
    pub fn bearers(&self) -> Vec<(u32, String)> {
        let wanted = format!("{}={}", self.name(), self.value());
        let processes = std::fs::read_dir("/proc").expect("the kernel lists processes").flatten();
        processes.filter_map(|process| bearer(&process.path(), wanted.as_bytes())).collect()
    }
}

fn bearer(process: &Path, wanted: &[u8]) -> Option<(u32, String)> {
    let pid = process.file_name()?.to_str()?.parse().ok()?;
    let environment = std::fs::read(process.join("environ")).ok()?;
    if !environment.split(|byte| *byte == 0).any(|variable| variable == wanted) {
        return None;
    }
    let command = std::fs::read(process.join("cmdline")).ok()?;
    // A zombie has neither; one that is being reaped is gone.
    (!command.is_empty()).then(|| (pid, String::from_utf8_lossy(&command).replace('\0', " ")))
}
