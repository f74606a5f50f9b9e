//! What the connected Redis is and what its settings promise.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, value};
use std::collections::HashMap;
use std::time::Duration;

/// Who the server is and how it keeps what it acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    /// `redis_version`.
    pub version: String,
    /// Changes with every start of the server.
    pub run_id: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Bytes in use.
    pub used_memory: u64,
    /// The bytes it may use; 0 is no bound.
    pub maxmemory: u64,
    /// What happens at that bound; must be `noeviction`.
    pub maxmemory_policy: String,
    /// What an acknowledged write survives.
    pub durability: Durability,
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// AOF, fsync before the answer: process death and power loss of an honest disk.
    Always,
    /// AOF, fsync each second: up to about two seconds are lost with the power.
    EverySecond,
    /// AOF without fsync: what the kernel has not written is lost with the power.
    KernelDecides,
    /// No AOF: everything since the last snapshot is lost with the process.
    None,
    /// The server does not tell (a managed Redis may refuse CONFIG).
    Unknown,
}

impl Durability {
    /// One word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
            Self::KernelDecides => "no-fsync",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }

    /// A sentence for people.
    pub fn promise(self) -> &'static str {
        match self {
            Self::Always => "an acknowledged submit survives process death and power loss of an honest disk",
            Self::EverySecond => "up to about two seconds of acknowledged submits are lost with the power",
            Self::KernelDecides => "acknowledged submits that the kernel has not written are lost with the power",
            Self::None => "acknowledged submits since the last snapshot are lost when redis dies",
            Self::Unknown => "the server does not say how it keeps acknowledged submits",
        }
    }
}

impl Store {
    /// Asks the server who it is: two commands, safe to repeat.
    pub async fn server_state(&self) -> Result<ServerState, StoreError> {
        let info = self.info().await?;
        let field = |name: &str| info.get(name).cloned().unwrap_or_default();
        Ok(ServerState {
            version: info.get("valkey_version").cloned().unwrap_or_else(|| field("redis_version")),
            run_id: field("run_id"),
            uptime_seconds: field("uptime_in_seconds").parse().unwrap_or(0),
            used_memory: field("used_memory").parse().unwrap_or(0),
            maxmemory: field("maxmemory").parse().unwrap_or(0),
            maxmemory_policy: field("maxmemory_policy"),
            durability: self.durability(&info).await,
        })
    }

    /// `run_id` and uptime in seconds: cheap enough for a loop.
    pub async fn incarnation(&self) -> Result<(String, u64), StoreError> {
        let info = parse_info(&value::text(self.command("INFO", value::args(["server"])).await?, "INFO")?);
        let run_id = info.get("run_id").cloned().ok_or(StoreError::Reply("INFO"))?;
        Ok((run_id, info.get("uptime_in_seconds").and_then(|text| text.parse().ok()).unwrap_or(0)))
    }

    /// For how long the server with this `run_id` has been the one in use, as far as anybody has said so; says it, if
    /// nobody has. A replica that takes over has been up for long, and all that it knows of is new to it.
    pub async fn known_for(&self, run_id: &str) -> Result<Duration, StoreError> {
        let now_ms = self.now_ms().await?;
        let known = self.command("HGET", value::args([key::META, "run_id"])).await?.into_string().unwrap_or_default();
        match known.split_once(' ') {
            Some((id, since_ms)) if id == run_id => {
                Ok(Duration::from_millis(now_ms.saturating_sub(since_ms.parse().unwrap_or(now_ms))))
            }
            _ => {
                let said = format!("{run_id} {now_ms}");
                self.command("HSET", value::args([key::META, "run_id", &said])).await?;
                Ok(Duration::ZERO)
            }
        }
    }

    /// Every field of INFO.
    pub async fn info(&self) -> Result<HashMap<String, String>, StoreError> {
        Ok(parse_info(&value::text(self.command("INFO", Vec::new()).await?, "INFO")?))
    }

    /// The memory in use and how much of it may be, in bytes; 0 is no bound. Cheap enough for a loop.
    pub async fn memory(&self) -> Result<(u64, u64), StoreError> {
        let info = parse_info(&value::text(self.command("INFO", value::args(["memory"])).await?, "INFO")?);
        let number = |name: &str| info.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok((number("used_memory"), number("maxmemory")))
    }

    /// The server's clock, ms of the Unix epoch.
    pub async fn now_ms(&self) -> Result<u64, StoreError> {
        let time = value::words(self.command("TIME", Vec::new()).await?, "TIME")?;
        let part = |at: usize| time.get(at).and_then(|text| text.parse::<u64>().ok());
        match (part(0), part(1)) {
            (Some(seconds), Some(micros)) => Ok(seconds * 1_000 + micros / 1_000),
            _ => Err(StoreError::Reply("TIME")),
        }
    }

    async fn durability(&self, info: &HashMap<String, String>) -> Durability {
        match info.get("aof_enabled").map(String::as_str) {
            Some("0") => return Durability::None,
            Some("1") => {}
            _ => return Durability::Unknown,
        }
        let Ok(reply) = self.command("CONFIG", value::args(["GET", "appendfsync"])).await else {
            return Durability::Unknown;
        };
        match value::map(reply, "CONFIG").ok().and_then(|fields| fields.get("appendfsync").cloned()).as_deref() {
            Some("always") => Durability::Always,
            Some("everysec") => Durability::EverySecond,
            Some("no") => Durability::KernelDecides,
            _ => Durability::Unknown,
        }
    }
}

fn parse_info(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_lines_become_fields() {
        let fields = parse_info("# Server\r\nredis_version:7.0.15\r\nconfig_file:\r\n");
        assert_eq!(fields["redis_version"], "7.0.15");
        assert_eq!(fields["config_file"], "");
    }
}
