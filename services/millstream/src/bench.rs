//! `millstream bench`: what a subtask costs, on a Redis of the bench's own and with this same program's processes.
//!
//! Every figure comes with what it needs to be repeated: machine, date, settings that differ from the defaults,
//! command. A run ends only when every task hash is complete (or gone, its life over) and the audit is clean.
//!
//! In reading order: [`stage`] the processes; [`counters`] what they used; [`load`] what is submitted; [`drain`],
//! [`latency`], [`limit`], [`makespan`], [`memory`], [`api`] the measurements; [`environment`], [`report`] what is
//! printed.

mod api;
mod counters;
mod drain;
mod environment;
mod latency;
mod limit;
mod load;
mod makespan;
mod memory;
mod report;
mod stage;

use crate::exit::{Exit, Failure};
use crate::print;
use crate::private_redis::{Persistence, find_program};
use crate::settings::ServerSettings;
use crate::signals;
use anyhow::Context;
use clap::{Args, ValueEnum};
use environment::Environment;
use load::Load;
use report::{Report, Run};
use stage::{Plan, Stage};
use tokio_util::sync::CancellationToken;

/// Measure this installation on a private Redis: throughput, CPU, bytes and latency of a subtask
#[derive(Debug, Args)]
pub struct Bench {
    /// How many subtasks are queued and drained
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    subtasks: u32,
    /// How many subtasks a task has
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    per_task: u32,
    /// How large the payload of a subtask is
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=65_536))]
    payload_bytes: u32,
    /// Redis without AOF, with fsync before each answer, or one after the other
    #[arg(long, value_enum, default_value_t = Aof::Both)]
    aof: Aof,
    /// Leave out the latencies
    #[arg(long)]
    skip_latency: bool,
    /// Measure instead how a task of 24 subtasks speeds up from 1 worker of 1 slot to 3
    #[arg(long)]
    makespan: bool,
    /// Measure instead what is left in Redis when the lives of --subtasks are over
    #[arg(long, conflicts_with = "makespan")]
    memory: bool,
    /// Measure instead how many requests the API answers over 1, 16, 64 and 256 connections, and beside slow ones
    #[arg(long, conflicts_with_all = ["makespan", "memory"])]
    api: bool,
    /// A setting of the measured processes that differs from its default
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    settings: Vec<(String, String)>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Aof {
    Off,
    Always,
    Both,
}

impl Aof {
    fn modes(self) -> &'static [Persistence] {
        match self {
            Self::Off => &[Persistence::Off],
            Self::Always => &[Persistence::AofAlways],
            Self::Both => &[Persistence::Off, Persistence::AofAlways],
        }
    }
}

impl Bench {
    /// Measures, and prints the report.
    pub fn run(self) -> anyhow::Result<Exit> {
        // Processes are started from `block_on`, that is from the main thread, and end with it.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting threads")?;
        runtime.block_on(async {
            let stop = CancellationToken::new();
            signals::watch(stop.clone(), || std::process::exit(Exit::Interrupted as i32))?;
            tokio::select! {
                done = self.measure() => done,
                _ = stop.cancelled() => Err(Failure::new(Exit::Interrupted, "interrupted").into()),
            }
        })
    }

    async fn measure(&self) -> anyhow::Result<Exit> {
        let program = find_program(self.server.redis_server_bin.as_deref())?;
        if self.makespan {
            let report = makespan::measure(&program, &self.settings).await?;
            print::raw(if self.json { report.json()? } else { report.text() }.as_bytes());
            return Ok(Exit::Ok);
        }
        if self.api {
            let report = api::measure(&program, self.aof.modes(), &self.settings).await?;
            print::raw(if self.json { report.json()? } else { report.text() }.as_bytes());
            return Ok(Exit::Ok);
        }
        let load = Load { subtasks: self.subtasks, per_task: self.per_task, payload_bytes: self.payload_bytes };
        if self.memory {
            let report = memory::measure(&program, load, &self.settings).await?;
            print::raw(if self.json { report.json()? } else { report.text() }.as_bytes());
            return Ok(Exit::Ok);
        }
        let mut settings = vec![("SIMULATE_SECONDS".to_owned(), "0".to_owned())];
        settings.extend(self.settings.iter().cloned());
        let environment = Environment::here(&settings);
        let mut runs = Vec::new();
        for persistence in self.aof.modes() {
            let plan = Plan { program: program.clone(), persistence: *persistence, settings: settings.clone() };
            runs.push(self.one(&plan, &load).await?);
        }
        let report = Report { environment, load, runs };
        print::raw(if self.json { report.json()? } else { report.text() }.as_bytes());
        Ok(Exit::Ok)
    }

    async fn one(&self, plan: &Plan, load: &Load) -> anyhow::Result<Run> {
        let name = report::aof_name(plan.persistence);
        let mut stage = Stage::start(plan).await?;
        eprintln!("AOF {name}: submitting {} subtasks, then draining them", load.subtasks);
        let drain = drain::measure(&mut stage, load).await?;
        let limit = limit::measure(&stage, load.payload_bytes).await?;
        let mut latencies = Vec::new();
        if !self.skip_latency {
            for rate in latency::RATES {
                eprintln!("AOF {name}: {rate} subtasks/s for {} s", latency::SECONDS);
                latencies.push(latency::measure(&stage, rate, load.payload_bytes).await?);
            }
            drain::check_audit(stage.store()).await?;
        }
        let redis = stage.store().server_state().await?.version;
        stage.end().await;
        Ok(Run { aof: name, redis, drain, limit, latencies })
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    parts.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "NAME=VALUE is needed".to_owned())
}
