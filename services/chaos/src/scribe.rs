//! Copies the log while it is written, as a consumer group of its own: what is copied stays known when Redis runs short
//! of memory and the log is cut, and nothing may be cut that this group has not acknowledged.
//!
//! An entry is acknowledged after it was copied, so a read that was lost is read again; what was copied twice is known
//! by its id. Where a profile lets Redis lose what it had acknowledged, the copy knows more than the log, and is not
//! used.

use crate::clock::now;
use crate::error::{ChaosError, io};
use crate::ledger::Lines;
use crate::ledger::run::Fence;
use crate::probe::{Probe, sound};
use crate::snapshot::facts::{Facts, lines_of};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system_tests::redis::{Connection, Reply};
use tokio_util::sync::CancellationToken;

/// The group's name.
const GROUP: &str = "chaos";
const PAGE: &str = "500";
const PAUSE: Duration = Duration::from_millis(100);

/// The copy so far.
#[derive(Default)]
pub struct Scribe(Mutex<Copied>);

#[derive(Default)]
struct Copied {
    facts: Facts,
    last: Fence,
}

impl Scribe {
    /// Makes the group, then copies from a thread of its own until `over`.
    pub fn start(self: &Arc<Self>, probe: Probe, folder: &Path, over: &CancellationToken) -> Result<(), ChaosError> {
        let ledger = Lines::open(&folder.join("facts.ledger"))?;
        create_group(&mut probe.connect()?)?;
        let (scribe, over) = (self.clone(), over.clone());
        std::thread::spawn(move || {
            while !over.is_cancelled() {
                // Redis is away, or has been emptied: again, with a connection and a group that are there.
                let _ = probe.connect().and_then(|mut redis| {
                    create_group(&mut redis)?;
                    scribe.copy(&mut redis, &ledger, &over)
                });
                std::thread::sleep(PAUSE);
            }
        });
        Ok(())
    }

    /// What the log has told so far.
    pub fn facts(&self) -> Facts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).facts.clone()
    }

    /// Copies until `over` or an error, first what an earlier connection had read and not acknowledged.
    fn copy(&self, redis: &mut Connection, ledger: &Lines, over: &CancellationToken) -> Result<(), ChaosError> {
        let mut after = "0";
        while !over.is_cancelled() {
            let read = ["XREADGROUP", "GROUP", GROUP, GROUP, "COUNT", PAGE, "STREAMS", "events", after];
            let page = sound(redis.command(&read).map_err(io("reading the log"))?)?;
            let entries = page.items().first().and_then(|stream| stream.items().get(1)).map_or(&[][..], Reply::items);
            if entries.is_empty() {
                if after == ">" {
                    std::thread::sleep(PAUSE);
                }
                after = ">";
                continue;
            }
            let mut acknowledge = vec!["XACK".to_owned(), "events".to_owned(), GROUP.to_owned()];
            for entry in entries {
                acknowledge.push(self.take(entry, ledger)?);
            }
            sound(redis.command(&acknowledge).map_err(io("acknowledging the log"))?)?;
        }
        Ok(())
    }

    /// Copies one entry, unless it is copied already; answers its id.
    fn take(&self, entry: &Reply, ledger: &Lines) -> Result<String, ChaosError> {
        let id = entry.items().first().map(Reply::text).unwrap_or_default();
        let at = Fence::read(&id).ok_or_else(|| ChaosError::Ledger(id.clone()))?;
        let mut copied = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if at > copied.last {
            copied.last = at;
            let lines = lines_of(entry);
            copied.facts.malformed += u64::from(lines.is_none());
            for line in lines.unwrap_or_default().lines() {
                ledger.write(&format!("{id} {line}")).map_err(io("copying the log"))?;
                copied.facts.take(line, now());
            }
        }
        Ok(id)
    }
}

fn create_group(redis: &mut Connection) -> Result<(), ChaosError> {
    match redis.command(&["XGROUP", "CREATE", "events", GROUP, "0", "MKSTREAM"]).map_err(io("joining the log"))? {
        Reply::Error(text) if !text.starts_with("BUSYGROUP") => Err(ChaosError::Redis(text)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use system_tests::eventually::eventually;
    use system_tests::redis::PrivateRedis;

    #[test]
    fn what_was_written_is_copied_once_also_after_the_log_was_cut() {
        let redis = PrivateRedis::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (scribe, over) = (Arc::new(Scribe::default()), CancellationToken::new());
        scribe.start(Probe::new(redis.port()), folder.path(), &over).unwrap();
        let write = |lines: &str| redis.command(&["XADD", "events", "*", "v", "1", "by", "w", "facts", lines]);
        let count = |word: &str| scribe.facts().counts.get(word).copied().unwrap_or(0);
        write("T - 0 created 0 0 api 1\nT 0 0 completed 1 0 w 2");
        eventually(Duration::from_secs(10), "copied", || (count("completed") == 1).then_some(()));
        redis.command(&["XTRIM", "events", "MAXLEN", "0"]);
        redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        write("T 1 0 failed 1 0 w 3");
        eventually(Duration::from_secs(10), "copied", || (count("failed") == 1).then_some(()));
        assert_eq!((count("created"), count("completed"), scribe.facts().malformed), (1, 1, 0));
        redis.command(&["XADD", "events", "*", "v", "1", "by", "w"]);
        eventually(Duration::from_secs(10), "copied", || (scribe.facts().malformed == 1).then_some(()));
        over.cancel();
    }
}
