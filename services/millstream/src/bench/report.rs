//! What a measurement found, for people and for programs.

use super::drain::{Drain, Phase};
use super::environment::Environment;
use super::latency::Latency;
use super::limit::Limit;
use super::load::{CONCURRENCY, Load};
use crate::print;
use crate::private_redis::Persistence;
use serde::Serialize;

/// The whole measurement.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where and how.
    pub environment: Environment,
    /// What was submitted.
    pub load: Load,
    /// One for each way of Redis to keep what it acknowledges.
    pub runs: Vec<Run>,
}

/// One Redis.
#[derive(Debug, Serialize)]
pub struct Run {
    /// off or always.
    pub aof: &'static str,
    /// Its version.
    pub redis: String,
    /// What the subtasks cost.
    pub drain: Drain,
    /// What it takes at most.
    pub limit: Limit,
    /// How long subtasks wait.
    pub latencies: Vec<Latency>,
}

/// The word for a way to keep what is acknowledged.
pub fn aof_name(persistence: Persistence) -> &'static str {
    match persistence {
        Persistence::Off => "off",
        Persistence::AofAlways => "always",
    }
}

impl Report {
    /// For programs.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For people.
    pub fn text(&self) -> String {
        let Load { subtasks, per_task, payload_bytes } = self.load;
        let load = format!(
            "load      {subtasks} no-op subtasks of {payload_bytes} bytes in tasks of {per_task}, {CONCURRENCY} \
             submissions at once; 1 worker process, 1 projector process; results stored\n",
        );
        self.runs.iter().fold(self.environment.text() + &load, |text, run| text + "\n" + &run.text())
    }
}

impl Run {
    fn text(&self) -> String {
        let Drain { submit, drain, life, bytes_queued, bytes_done } = &self.drain;
        let rows = [row("submit", submit), row("drain (until folded)", drain), row("whole life", life)];
        let heads = ["PHASE", "SECONDS", "SUBTASKS/S", "REDIS CPU us", "WORKER CPU us", "PROJECTOR CPU us", "COMMANDS"];
        let mut text = format!("AOF {}, Redis {}; CPU and commands for one subtask\n", self.aof, self.redis);
        text += &print::table(&heads, &rows);
        text += &format!(
            "bytes in Redis for one subtask: {bytes_queued:.0} queued, {bytes_done:.0} done ({:+.0})\n",
            bytes_done - bytes_queued
        );
        text += &format!("limit: {:.0} XADD/s ({})\n", self.limit.xadd_per_second, self.limit.how);
        text += "checked: completed = total in every task hash, the audit is clean\n";
        let ms = |number: f64| format!("{number:.1}");
        let latency = |it: &Latency| {
            let Latency { rate, subtasks, start, visible } = it;
            let times = [start.p50_ms, start.p99_ms, visible.p50_ms, visible.p99_ms].map(ms);
            [rate.to_string(), subtasks.to_string()].into_iter().chain(times).collect::<Vec<_>>()
        };
        let rows: Vec<_> = self.latencies.iter().map(latency).collect();
        if rows.is_empty() {
            return text;
        }
        let heads = ["SUBTASKS/S", "COUNTED", "START p50 ms", "START p99 ms", "VISIBLE p50 ms", "VISIBLE p99 ms"];
        text += &print::table(&heads, &rows);
        text + "open loop, tasks of 1, 10 s after 1 s of warming up\n\
                start: by the handler's clock, cut to ms, half a ms added\n\
                visible: the first read of the task hash that says completed, of all open tasks in a round each ms\n"
    }
}

fn row(name: &str, phase: &Phase) -> Vec<String> {
    vec![
        name.to_owned(),
        format!("{:.2}", phase.seconds),
        format!("{:.0}", phase.subtasks_per_second),
        format!("{:.1}", phase.redis_cpu_us),
        format!("{:.1}", phase.worker_cpu_us),
        format!("{:.1}", phase.projector_cpu_us),
        format!("{:.2}", phase.redis_commands),
    ]
}
