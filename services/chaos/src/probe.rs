//! The harness's own way into Redis: past every proxy, and never in the way of the installation.

use crate::error::{ChaosError, io};
use std::time::Duration;
use system_tests::redis::{Connection, Reply};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const LONG_ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Where the server listens.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    port: u16,
}

impl Probe {
    /// A probe of the server on this port.
    pub fn new(port: u16) -> Self {
        Self { port }
    }

    /// Where the server listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// One command over a connection of its own; an error reply is an error.
    pub async fn command(&self, words: &[&str]) -> Result<Reply, ChaosError> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let port = self.port;
        let asked = tokio::task::spawn_blocking(move || {
            let mut connection = Connection::open(port, ANSWER_WITHIN)?;
            connection.command(&words)
        });
        let reply = asked.await.map_err(|error| ChaosError::Setup(error.to_string()))?;
        sound(reply.map_err(io("asking Redis"))?)
    }

    /// Whether it answers and has loaded its data.
    pub async fn is_ready(&self) -> bool {
        self.command(&["PING"]).await.is_ok()
    }

    /// Waits until it answers; says whether it did within `limit`.
    pub async fn wait_ready(&self, limit: Duration) -> bool {
        let answered = async {
            while !self.is_ready().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, answered).await.is_ok()
    }

    /// A number out of `INFO`: `section` and the name before the colon; 0 if there is none.
    pub async fn info(&self, section: &str, name: &str) -> u64 {
        let Ok(info) = self.command(&["INFO", section]).await else { return 0 };
        let text = info.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let digits = value.map(|value| value.trim_start_matches("count=").trim());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// A connection for long reads, which block the thread.
    pub fn connect(&self) -> Result<Connection, ChaosError> {
        Connection::open(self.port, LONG_ANSWER_WITHIN).map_err(io("connecting to Redis"))
    }
}

/// An error reply as an error.
pub fn sound(reply: Reply) -> Result<Reply, ChaosError> {
    match reply {
        Reply::Error(text) => Err(ChaosError::Redis(text)),
        other => Ok(other),
    }
}
