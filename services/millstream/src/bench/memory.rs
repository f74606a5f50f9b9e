//! What is left in Redis when the lives of many subtasks are over (ACCEPTANCE FLOW-16).

use super::environment::Environment;
use super::load::Load;
use super::stage::{Plan, Stage};
use crate::print;
use crate::private_redis::Persistence;
use crate::resp::{Connection, Reply};
use anyhow::Context;
use redis_store::key;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// Short lives, and no log beyond what is unacknowledged.
const SETTINGS: [(&str, &str); 4] = [
    ("SIMULATE_SECONDS", "0"),
    ("RESULT_TTL_SECONDS", "2"),
    ("TASK_TTL_SECONDS", "2"),
    ("EVENTS_RETENTION_SECONDS", "0"),
];
/// A round of so many before the baseline: what Redis and its clients allocate once is none of a subtask's.
const WARM_UP: u32 = 5_000;
/// The most that may be left, as a share of the baseline.
const GOAL: f64 = 1.05;
const POLL_EVERY: Duration = Duration::from_millis(100);
/// No task removed for this long is a stall.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// Memory that has not fallen for this long falls no further.
const QUIET: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug, Serialize)]
pub struct Memory {
    environment: Environment,
    load: Load,
    baseline_bytes: u64,
    peak_bytes: u64,
    after_bytes: u64,
    ratio: f64,
    goal: f64,
    keys_before: u64,
    keys_after: u64,
}

/// Runs a small round, then `load`, each until nothing of it lives.
pub async fn measure(program: &Path, load: Load, more: &[(String, String)]) -> anyhow::Result<Memory> {
    let mut settings: Vec<_> = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    settings.extend(more.iter().cloned());
    let environment = Environment::here(&settings);
    let plan = Plan { program: program.to_owned(), persistence: Persistence::Off, settings };
    let mut stage = Stage::start(&plan).await?;
    stage.start_role("projector")?;
    stage.start_role("worker")?;
    let mut connection = stage.connection()?;
    // Redis remembers 128 slow commands with their arguments, up to 300 kB: bounded, and no part of anybody's data.
    connection.command(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"])?;
    round(&mut stage, &mut connection, &Load { subtasks: WARM_UP, ..load }).await?;
    let (baseline_bytes, keys_before) = (used(&mut connection)?, keys(&mut connection)?);
    let peak_bytes = round(&mut stage, &mut connection, &load).await?;
    let (after_bytes, keys_after) = (used(&mut connection)?, keys(&mut connection)?);
    super::drain::check_audit(stage.store()).await?;
    stage.end().await;
    let ratio = after_bytes as f64 / baseline_bytes as f64;
    Ok(Memory {
        environment,
        load,
        baseline_bytes,
        peak_bytes,
        after_bytes,
        ratio,
        goal: GOAL,
        keys_before,
        keys_after,
    })
}

/// Submits, and waits until every task and every result has lived; answers the most bytes that were seen.
async fn round(stage: &mut Stage, connection: &mut Connection, load: &Load) -> anyhow::Result<u64> {
    eprintln!("{} subtasks, until nothing of them lives", load.subtasks);
    load.submit(stage.store()).await?;
    let (mut peak, mut left, mut since) = (used(connection)?, u64::MAX, Instant::now());
    while left > 0 {
        let Reply::Integer(count) = connection.command(&["ZCARD", key::TASKS])? else { anyhow::bail!("no ZCARD") };
        if count.unsigned_abs() < left {
            (left, since) = (count.unsigned_abs(), Instant::now());
        }
        anyhow::ensure!(since.elapsed() < STALLED_AFTER, "stalled: {left} tasks live on");
        stage.check()?;
        peak = peak.max(used(connection)?);
        tokio::time::sleep(POLL_EVERY).await;
    }
    let (mut lowest, mut since) = (used(connection)?, Instant::now());
    while since.elapsed() < QUIET {
        let now = used(connection)?;
        if now < lowest {
            (lowest, since) = (now, Instant::now());
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
    Ok(peak)
}

fn used(connection: &mut Connection) -> anyhow::Result<u64> {
    let Reply::Bulk(info) = connection.command(&["INFO", "memory"])? else { anyhow::bail!("no INFO") };
    let info = String::from_utf8_lossy(&info);
    let used = info.lines().find_map(|line| line.trim_end().strip_prefix("used_memory:"));
    Ok(used.context("INFO without used_memory")?.parse()?)
}

fn keys(connection: &mut Connection) -> anyhow::Result<u64> {
    let Reply::Integer(count) = connection.command(&["DBSIZE"])? else { anyhow::bail!("no DBSIZE") };
    Ok(count.unsigned_abs())
}

impl Memory {
    /// For programs.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For people.
    pub fn text(&self) -> String {
        let Load { subtasks, per_task, payload_bytes } = self.load;
        let row = |name: &str, bytes: u64, keys: Option<u64>| {
            vec![name.to_owned(), bytes.to_string(), keys.map(|keys| keys.to_string()).unwrap_or_default()]
        };
        let rows = [
            row("before, after a warm-up", self.baseline_bytes, Some(self.keys_before)),
            row("at most", self.peak_bytes, None),
            row("after the last life", self.after_bytes, Some(self.keys_after)),
        ];
        self.environment.text()
            + &format!("load      {subtasks} no-op subtasks of {payload_bytes} bytes in tasks of {per_task}\n\n")
            + &print::table(&["REDIS", "BYTES", "HOW MANY KEYS"], &rows)
            + &format!("ratio {:.3}, goal at most {:.2}; the audit is clean\n", self.ratio, self.goal)
    }
}
