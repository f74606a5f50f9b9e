//! The log of a process: text or JSON, an event a line, to stderr or to a file that rotates by size.
//!
//! Lines are written by a thread of their own; when it cannot keep up, lines are dropped rather than work delayed.
//! What was logged before [`LogGuard`] is dropped is written.

mod one_line;

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use one_line::OneLine;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// A log file is set aside when it exceeds this (ACCEPTANCE API-10).
pub const FILE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Files set aside, `<file>.1` the newest (ACCEPTANCE API-10).
pub const FILES_MAX: usize = 5;

/// What libraries say of themselves: their errors reach the log through us, so only what surprises them is kept.
/// Directives of the same target in the level go before these.
const LIBRARIES: &str = "fred=error,poem=warn,reqwest=warn,hyper_util=warn";

/// What to log, how and where.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A level, or directives such as `info,redis_store=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
    /// Where lines go instead of stderr.
    pub file: Option<PathBuf>,
    /// Who speaks; `name` of each JSON line.
    pub name: String,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One flat object a line, for programs.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directives cannot be read.
    #[error("not a level such as info, nor directives such as info,redis_store=debug")]
    Level,
    /// The file cannot be opened for appending.
    #[error("the log file cannot be opened")]
    File(#[source] io::Error),
    /// This process has one already.
    #[error("the log is set up already")]
    Twice,
}

/// Keeps the log alive; dropping it writes what is still under way.
#[must_use = "the log ends when the guard is dropped"]
pub struct LogGuard {
    _worker: WorkerGuard,
}

/// Starts the log of this process; once.
pub fn init(config: LogConfig) -> Result<LogGuard, LogError> {
    let filter = parse_level(&config.level)?;
    let (writer, worker) = match &config.file {
        Some(path) => tracing_appender::non_blocking(open(path).map_err(LogError::File)?),
        None => tracing_appender::non_blocking(io::stderr()),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let started = match config.format {
        LogFormat::Text => registry
            .with(tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(OneLine(writer)))
            .try_init(),
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false)
                    .with_writer(Named::new(&config.name, writer)),
            )
            .try_init(),
    };
    started.map_err(|_| LogError::Twice)?;
    Ok(LogGuard { _worker: worker })
}

/// Whether `level` can be used, without starting a log.
pub fn check_level(level: &str) -> Result<(), LogError> {
    parse_level(level).map(drop)
}

fn parse_level(level: &str) -> Result<EnvFilter, LogError> {
    // A single unknown word would pass as the name of a target and silence everything.
    let plain = level.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if level.is_empty() || plain && level.parse::<tracing_subscriber::filter::LevelFilter>().is_err() {
        return Err(LogError::Level);
    }
    let libraries = if level.eq_ignore_ascii_case("off") { "" } else { LIBRARIES };
    EnvFilter::builder().parse(format!("{libraries},{level}")).map_err(|_| LogError::Level)
}

fn open(path: &Path) -> io::Result<FileRotate<AppendCount>> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    // FileRotate itself panics, or stays silent, on a path that cannot be written.
    std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    let limit = ContentLimit::BytesSurpassed(FILE_BYTES_MAX);
    Ok(FileRotate::new(path, AppendCount::new(FILES_MAX), limit, Compression::None, None))
}

/// Puts `"name":"…"` first into each JSON line; a line arrives in one write.
#[derive(Clone)]
struct Named {
    head: String,
    inner: NonBlocking,
}

impl Named {
    fn new(name: &str, inner: NonBlocking) -> Self {
        let safe = |char: char| if char == '"' || char == '\\' || char.is_control() { '_' } else { char };
        let name: String = name.chars().map(safe).collect();
        Self { head: format!("{{\"name\":\"{name}\","), inner }
    }
}

impl<'a> MakeWriter<'a> for Named {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Named {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match line.strip_prefix(b"{") {
            Some(rest) => self.inner.write_all(&[self.head.as_bytes(), rest].concat())?,
            None => self.inner.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_directives_are_accepted_and_nonsense_is_not() {
        for (level, accepted) in [
            ("info", true),
            ("WARN", true),
            ("off", true),
            ("info,redis_store=debug", true),
            ("loud", false),
            ("", false),
            ("info,redis_store=loud", false),
        ] {
            assert_eq!(check_level(level).is_ok(), accepted, "{level:?}");
        }
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_an_error() {
        assert!(open(Path::new("/")).is_err());
        assert!(open(Path::new("/proc/none/log")).is_err());
    }

    #[test]
    fn a_log_file_rotates_and_keeps_five() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open(&folder.path().join("deep/millstream.log")).unwrap();
        let line = vec![b'x'; FILE_BYTES_MAX];
        for _ in 0..8 {
            file.write_all(&line).unwrap();
            file.write_all(b"\n").unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path().join("deep")).unwrap().count(), 1 + FILES_MAX);
    }

    #[test]
    fn json_lines_are_named_and_flat_and_written_when_the_guard_drops() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("millstream.log");
        let config = LogConfig {
            level: "info".into(),
            format: LogFormat::Json,
            file: Some(path.clone()),
            name: "worker-1".into(),
        };
        let guard = init(config.clone()).unwrap();
        tracing::info!(task_id = "T", "hello");
        assert!(matches!(init(config), Err(LogError::Twice)));
        drop(guard);
        let text = std::fs::read_to_string(path).unwrap();
        let (head, rest) = text.split_at(20);
        assert_eq!(head, "{\"name\":\"worker-1\",\"");
        assert!(rest.contains("\"message\":\"hello\",\"task_id\":\"T\""), "{text}");
    }
}
