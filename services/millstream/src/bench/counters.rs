//! What Redis and the roles have used so far.

use super::stage::Stage;
use crate::resp::{Connection, Reply};
use anyhow::Context;
use std::collections::HashMap;
use std::time::Instant;

/// CPU time in /proc is counted in hundredths of a second on every Linux that Rust runs on.
const TICK_US: u64 = 10_000;

/// A reading.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// When.
    pub at: Instant,
    /// User and system time of the Redis process.
    pub redis_cpu_us: u64,
    /// Commands that Redis ran, those inside scripts included.
    pub redis_commands: u64,
    /// Bytes that Redis uses.
    pub redis_bytes: u64,
    /// User and system time of the worker processes.
    pub worker_cpu_us: u64,
    /// User and system time of the projector process.
    pub projector_cpu_us: u64,
}

impl Counters {
    /// Reads them all now.
    pub fn read(stage: &Stage, connection: &mut Connection) -> anyhow::Result<Self> {
        let at = Instant::now();
        let Reply::Bulk(info) = connection.command(&["INFO"])? else { anyhow::bail!("no INFO") };
        let info = String::from_utf8_lossy(&info);
        let fields: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let field = |name: &'static str| fields.get(name).copied().with_context(|| format!("INFO without {name}"));
        let number = |name| -> anyhow::Result<u64> { Ok(field(name)?.parse()?) };
        let cpu = |name| -> anyhow::Result<f64> { Ok(field(name)?.parse()?) };
        Ok(Self {
            at,
            redis_cpu_us: ((cpu("used_cpu_user")? + cpu("used_cpu_sys")?) * 1e6) as u64,
            redis_commands: number("total_commands_processed")?,
            redis_bytes: number("used_memory")?,
            worker_cpu_us: cpu_us(&stage.pids("worker"))?,
            projector_cpu_us: cpu_us(&stage.pids("projector"))?,
        })
    }
}

fn cpu_us(pids: &[u32]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
        sum += ticks(&stat).with_context(|| format!("/proc/{pid}/stat"))? * TICK_US;
    }
    Ok(sum)
}

/// User and system time: fields 14 and 15, counted from behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0 4 0 1 2 3";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks(""), None);
        assert!(cpu_us(&[std::process::id()]).is_ok());
    }
}
