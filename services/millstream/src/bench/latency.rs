//! How long a subtask waits at a steady rate: until it starts, and until its task says so.
//!
//! Open loop: each task of one subtask has its own instant, and what comes late because the system is slow counts
//! as waiting. *Start* is what the handler wrote into the result, by the clock of the same machine, in whole ms; half
//! a ms is added because it is cut off. *Visible* is the first read of the task's hash that says it is completed; one
//! connection reads all open tasks in a round each ms, so it is up to a round late.

use super::drain;
use super::load;
use super::stage::Stage;
use crate::resp::{self, Connection, Reply};
use anyhow::Context;
use proto_schemas::{SubtaskResult, TaskId};
use redis_store::key;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Subtasks a second.
pub const RATES: [u32; 2] = [500, 2_000];
/// How long each rate is held; the first second of it does not count.
pub const SECONDS: u32 = 11;
const WARM_UP: f64 = 1.0;
const ROUND: Duration = Duration::from_millis(1);
/// Tasks that one round asks for, oldest first.
const ROUND_MAX: usize = 512;
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// Latencies at one rate, in ms.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// Subtasks a second.
    pub rate: u32,
    /// How many were counted.
    pub subtasks: usize,
    /// From a task's instant until its handler runs.
    pub start: Quantiles,
    /// From a task's instant until its hash says completed.
    pub visible: Quantiles,
}

/// Two quantiles, in ms.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Quantiles {
    /// Half are faster.
    pub p50_ms: f64,
    /// All but one in a hundred are faster.
    pub p99_ms: f64,
}

/// A task and its instant, in ms of the Unix epoch.
struct Sent {
    id: TaskId,
    at_ms: f64,
}

/// A task and the instant at which it was seen completed.
struct Seen {
    sent: Sent,
    at_ms: f64,
}

/// Holds `rate` on a stage whose worker and projector run.
pub async fn measure(stage: &Stage, rate: u32, payload_bytes: u32) -> anyhow::Result<Latency> {
    let (to_poller, sent) = channel();
    let connection = stage.connection()?;
    let poller = std::thread::spawn(move || poll(connection, &sent));
    let store = Arc::new(stage.store().clone());
    let begin = Instant::now() + Duration::from_millis(20);
    let begin_ms = now_ms() + 20.0;
    let mut submissions = JoinSet::new();
    for number in 0..rate * SECONDS {
        let offset = f64::from(number) / f64::from(rate);
        tokio::time::sleep_until(begin + Duration::from_secs_f64(offset)).await;
        let (store, to_poller) = (store.clone(), to_poller.clone());
        submissions.spawn(async move {
            let task = load::task(1, payload_bytes)?;
            load::submit_one(&store, &task).await?;
            let _ = to_poller.send(Sent { id: task.task_id, at_ms: begin_ms + offset * 1e3 });
            anyhow::Ok(())
        });
    }
    drop(to_poller);
    while let Some(submitted) = submissions.join_next().await {
        submitted.context("a submission")??;
    }
    let seen = tokio::task::spawn_blocking(move || poller.join()).await?;
    let mut seen = seen.map_err(|_| anyhow::anyhow!("the poller panicked"))??;
    let ids: Vec<TaskId> = seen.iter().map(|seen| seen.sent.id.clone()).collect();
    drain::check_complete(stage.store(), &ids).await?;
    seen.retain(|seen| seen.sent.at_ms >= begin_ms + WARM_UP * 1e3);
    let mut start = Vec::with_capacity(seen.len());
    for seen in &seen {
        start.push(started_at_ms(stage, &seen.sent.id).await? + 0.5 - seen.sent.at_ms);
    }
    let visible = seen.iter().map(|seen| seen.at_ms - seen.sent.at_ms).collect();
    Ok(Latency { rate, subtasks: seen.len(), start: quantiles(start), visible: quantiles(visible) })
}

/// Reads the status of every open task, round after round, until all that were sent are completed.
fn poll(mut connection: Connection, sent: &Receiver<Sent>) -> anyhow::Result<Vec<Seen>> {
    let (mut open, mut seen): (Vec<Sent>, Vec<Seen>) = (Vec::new(), Vec::new());
    let mut progress_at = std::time::Instant::now();
    loop {
        let round = std::time::Instant::now();
        let all_sent = loop {
            match sent.try_recv() {
                Ok(task) => open.push(task),
                Err(TryRecvError::Empty) => break false,
                Err(TryRecvError::Disconnected) => break true,
            }
        };
        if all_sent && open.is_empty() {
            return Ok(seen);
        }
        let asked = open.len().min(ROUND_MAX);
        let ask = |sent: &Sent| resp::encode(&["HGET", &key::task(&sent.id), "status"]);
        connection.send(&open[..asked].iter().flat_map(ask).collect::<Vec<u8>>())?;
        let mut completed = Vec::with_capacity(asked);
        for _ in 0..asked {
            completed.push(connection.receive()? == Reply::Bulk(b"completed".to_vec()));
        }
        let at_ms = now_ms();
        for at in (0..asked).rev().filter(|at| completed[*at]) {
            seen.push(Seen { sent: open.remove(at), at_ms });
            progress_at = round;
        }
        anyhow::ensure!(open.is_empty() || progress_at.elapsed() < STALLED_AFTER, "{} tasks are stuck", open.len());
        std::thread::sleep(ROUND.saturating_sub(round.elapsed()));
    }
}

/// What the handler of a task's one subtask wrote down.
async fn started_at_ms(stage: &Stage, id: &TaskId) -> anyhow::Result<f64> {
    #[derive(Deserialize)]
    struct Output {
        started_at_ms: f64,
    }
    let result: SubtaskResult = stage.store().result(&id.subtask(0)?).await?.context("a result is gone")?;
    let output = result.output.context("a result without an output")?;
    Ok(serde_json::from_str::<Output>(output.get())?.started_at_ms)
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

/// Of all of these, in ms.
pub fn quantiles(mut all: Vec<f64>) -> Quantiles {
    all.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (all.len() as f64 * share).ceil() as usize;
        all.get(place.saturating_sub(1)).copied().unwrap_or_default()
    };
    Quantiles { p50_ms: at(0.5), p99_ms: at(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_smallest_value_that_covers_its_share() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let found = quantiles(hundred);
        assert_eq!((found.p50_ms, found.p99_ms), (50.0, 99.0));
        let one = quantiles(vec![7.0]);
        assert_eq!((one.p50_ms, one.p99_ms), (7.0, 7.0));
    }
}
