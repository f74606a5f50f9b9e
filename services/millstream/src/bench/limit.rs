//! What this Redis takes at most in the same minute: bare XADD, a hundred in a pipeline.

use super::stage::Stage;
use crate::private_redis::on_path;
use crate::resp::{self, Reply};
use anyhow::Context;
use serde::Serialize;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

const PROGRAM: &str = "redis-benchmark";
const REQUESTS: u32 = 500_000;
const PIPELINE: u32 = 100;
const CLIENTS: u32 = 50;
const STREAM: &str = "bench-limit";

/// The limit, and how it was found.
#[derive(Debug, Clone, Serialize)]
pub struct Limit {
    /// Commands a second.
    pub xadd_per_second: f64,
    /// The command that measured it.
    pub how: String,
}

/// Measures with redis-benchmark, else with a client of our own that is named as such.
pub async fn measure(stage: &Stage, payload_bytes: u32) -> anyhow::Result<Limit> {
    let payload = "x".repeat(payload_bytes as usize);
    let limit = if on_path(Path::new(PROGRAM)).is_some() {
        with_redis_benchmark(stage.port(), &payload).await?
    } else {
        with_our_own(stage, &payload)?
    };
    stage.connection()?.command(&["UNLINK", STREAM])?;
    Ok(limit)
}

async fn with_redis_benchmark(port: u16, payload: &str) -> anyhow::Result<Limit> {
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(["-p", &port.to_string(), "-n", &REQUESTS.to_string(), "-P", &PIPELINE.to_string()]);
    command.args(["-c", &CLIENTS.to_string(), "-q", "XADD", STREAM, "*", "payload", payload]);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("running redis-benchmark")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let how = format!("{PROGRAM} -n {REQUESTS} -P {PIPELINE} -c {CLIENTS} XADD of {} bytes", payload.len());
    Ok(Limit { xadd_per_second: last_rate(&text).context("redis-benchmark says no rate")?, how })
}

/// The number before the last "requests per second"; progress stands before it on the same line.
fn last_rate(text: &str) -> Option<f64> {
    let (before, _) = text.rsplit_once(" requests per second")?;
    before.rsplit([' ', '\r', '\n']).next()?.parse().ok()
}

fn with_our_own(stage: &Stage, payload: &str) -> anyhow::Result<Limit> {
    let mut connection = stage.connection()?;
    let batch = resp::encode(&["XADD", STREAM, "*", "payload", payload]).repeat(PIPELINE as usize);
    let begin = Instant::now();
    for _ in 0..REQUESTS / PIPELINE {
        connection.send(&batch)?;
        for _ in 0..PIPELINE {
            anyhow::ensure!(matches!(connection.receive()?, Reply::Bulk(_)), "XADD was refused");
        }
    }
    let how = format!("our own client, one connection, {PIPELINE} in a pipeline, XADD of {} bytes", payload.len());
    Ok(Limit { xadd_per_second: f64::from(REQUESTS) / begin.elapsed().as_secs_f64(), how })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rate_counts() {
        let text = "XADD s *: rps=0.0 (overall: 0.0)\rXADD s *: 582072.19 requests per second, p50=6.1 msec\n\n";
        assert_eq!(last_rate(text), Some(582_072.19));
        assert_eq!(last_rate("ERR"), None);
    }
}
