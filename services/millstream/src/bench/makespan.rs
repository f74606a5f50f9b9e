//! How much faster three workers are than one (ACCEPTANCE FLOW-21).

use super::environment::Environment;
use super::load;
use super::stage::{Plan, Stage};
use crate::print;
use crate::private_redis::Persistence;
use crate::resp::Reply;
use proto_schemas::TaskStatus;
use redis_store::key;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

const SUBTASKS: u32 = 24;
const FLEETS: [usize; 2] = [1, 3];
/// The most that the time with three may be of the time with one.
const GOAL: f64 = 0.4;
const SETTINGS: [(&str, &str); 2] = [("WORKER_SLOTS", "1"), ("SIMULATE_SECONDS", "0.1")];
const POLL_EVERY: Duration = Duration::from_millis(5);
const WITHIN: Duration = Duration::from_secs(120);

/// What was found.
#[derive(Debug, Serialize)]
pub struct Makespan {
    environment: Environment,
    subtasks: u32,
    workers: [usize; 2],
    seconds: [f64; 2],
    ratio: f64,
    goal: f64,
}

/// Runs one task with one worker, and another with three.
pub async fn measure(program: &Path, more: &[(String, String)]) -> anyhow::Result<Makespan> {
    let mut settings: Vec<_> = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    settings.extend(more.iter().cloned());
    let environment = Environment::here(&settings);
    let plan = Plan { program: program.to_owned(), persistence: Persistence::AofAlways, settings };
    let seconds = [with(&plan, FLEETS[0]).await?, with(&plan, FLEETS[1]).await?];
    let ratio = seconds[1] / seconds[0];
    Ok(Makespan { environment, subtasks: SUBTASKS, workers: FLEETS, seconds, ratio, goal: GOAL })
}

async fn with(plan: &Plan, workers: usize) -> anyhow::Result<f64> {
    eprintln!("{SUBTASKS} subtasks with {workers} workers");
    let mut stage = Stage::start(plan).await?;
    stage.start_role("projector")?;
    for _ in 0..workers {
        stage.start_role("worker")?;
    }
    let mut connection = stage.connection()?;
    let mut count = async |stage: &mut Stage, index: &str, wanted: usize| {
        let begin = Instant::now();
        while connection.command(&["ZCARD", index])? != Reply::Integer(wanted as i64) {
            anyhow::ensure!(begin.elapsed() < WITHIN, "{index} did not reach {wanted}");
            stage.check()?;
            tokio::time::sleep(POLL_EVERY).await;
        }
        anyhow::Ok(())
    };
    count(&mut stage, key::WORKERS, workers).await?;
    let begin = Instant::now();
    load::submit_one(stage.store(), &load::task(SUBTASKS, 10)?).await?;
    count(&mut stage, &key::tasks_with(TaskStatus::Completed), 1).await?;
    let seconds = begin.elapsed().as_secs_f64();
    stage.end().await;
    Ok(seconds)
}

impl Makespan {
    /// For programs.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For people.
    pub fn text(&self) -> String {
        let Self { workers, seconds, ratio, goal, .. } = self;
        let rows = [0, 1].map(|at| vec![workers[at].to_string(), format!("{:.2}", seconds[at])]);
        let verdict = if ratio <= goal { "met" } else { "missed" };
        let table = print::table(&["WORKERS", "SECONDS"], &rows);
        format!("{}\n{table}ratio {ratio:.2}, goal at most {goal}: {verdict}\n", self.environment.text())
    }
}
