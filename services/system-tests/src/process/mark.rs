//! What tells the descendants of a process, whatever group or parent they move to: a mark in the environment, which
//! they inherit. A Redis server writes its title over its environment; it is known by its working directory, which lies
//! below that of the process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const NAME: &str = "SYSTEM_TEST_MARK";

/// One mark, different from every other of every test program.
pub struct Mark {
    value: String,
    directory: PathBuf,
}

impl Mark {
    /// Panics for a directory that others work below: what runs there is not ours to end.
    pub(super) fn new(directory: &Path) -> Self {
        let here = std::env::current_dir().expect("a working directory");
        let directory = directory.canonicalize().expect("a directory to run in");
        assert!(!here.starts_with(&directory), "a process of a test runs in a directory of its own");
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let value = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { value, directory }
    }

    pub(super) fn variable(&self) -> (&str, &str) {
        (NAME, &self.value)
    }

    /// The command lines of all living processes that carry it, by pid.
    pub fn bearers(&self) -> Vec<(u32, String)> {
        let processes = std::fs::read_dir("/proc").expect("the kernel lists processes").flatten();
        processes.filter_map(|process| self.bearer(&process.path())).collect()
    }

    fn bearer(&self, process: &Path) -> Option<(u32, String)> {
        let pid = process.file_name()?.to_str()?.parse().ok()?;
        if !self.is_in_environment(process) && !self.is_below(process) {
            return None;
        }
        let command = std::fs::read(process.join("cmdline")).ok()?;
        // A zombie has none.
        (!command.is_empty()).then(|| (pid, String::from_utf8_lossy(&command).replace('\0', " ")))
    }

    fn is_in_environment(&self, process: &Path) -> bool {
        let wanted = format!("{NAME}={}", self.value);
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    }

    fn is_below(&self, process: &Path) -> bool {
        let directory = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        directory != self.directory && directory.starts_with(&self.directory)
    }
}
