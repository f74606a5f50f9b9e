//! The lines that a process has said so far.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Which of its two streams a line came from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// Lines in the order in which they came; a handle that grows while the process speaks.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(Stream, String)>>>);

impl Log {
    /// Collects what `source` says until its end.
    pub(super) fn read(&self, stream: Stream, source: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = self.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                log.lock().push((stream, String::from_utf8_lossy(&line).trim_end().to_owned()));
                line.clear();
            }
        })
    }

    /// The first line that contains `text`.
    pub fn find(&self, text: &str) -> Option<String> {
        self.lock().iter().map(|(_, line)| line).find(|line| line.contains(text)).cloned()
    }

    /// Every line that contains `text`.
    pub fn all(&self, text: &str) -> Vec<String> {
        self.lock().iter().map(|(_, line)| line).filter(|line| line.contains(text)).cloned().collect()
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.all("")
    }

    pub(super) fn of(&self, wanted: Stream) -> String {
        let lines = self.lock();
        let lines = lines.iter().filter(|(stream, _)| *stream == wanted).map(|(_, line)| line.as_str());
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(super) fn tail(&self, count: usize) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Stream, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
