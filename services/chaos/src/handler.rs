//! The handler of this harness: it writes the execution log around its work and has its effect in the sink, under the
//! fence that it was given.
//!
//! Some runs are stubborn: they block a thread that no abort reaches, so that a worker which was stopped or cut off
//! wakes up with a run under way whose right it has lost. Those are the zombies that the fence is for.

use crate::clock::{Moment, now};
use crate::ledger::Lines;
use crate::ledger::effect::Answer;
use crate::ledger::run::{End, Fence, Line, Run};
use crate::sink;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use worker::{Context, Handler, HandlerError};

/// Its kind.
pub const KIND: &str = "chaos_work";

/// The work, as a worker process does it.
pub struct Work(pub Arc<Bench>);

/// What every run of a process needs.
pub struct Bench {
    /// The worker's name.
    pub worker: String,
    /// Where the sink is.
    pub folder: PathBuf,
    /// The execution log of this process.
    pub ledger: Lines,
}

impl Bench {
    /// Writes down that this process got no time, or no answer, though nobody had seen to that.
    pub fn starved(&self, from: Moment, to: Moment) {
        let line = Line::Starved { pid: std::process::id(), worker: self.worker.clone(), from, to };
        if let Err(error) = self.ledger.write(&line.encode()) {
            eprintln!("a stall is not in the log: {error}");
        }
    }
}

/// What a subtask asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Params {
    /// The submission it belongs to.
    pub seq: u64,
    /// How long it works, in ms.
    pub work_ms: u64,
    /// Whether no abort reaches it.
    pub is_stubborn: bool,
    /// How many of its attempts fail before one succeeds.
    pub failures: u32,
    /// Whether it fails for good instead.
    pub is_fatal: bool,
    /// Bytes that are only carried along.
    pub padding: String,
}

/// What a subtask leaves in its result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Output {
    /// The submission it belongs to.
    pub seq: u64,
    /// The right under which the run that is recorded worked.
    pub fence: String,
}

impl Handler for Work {
    const KIND: &'static str = KIND;
    type Input = Params;
    type Output = Output;

    async fn execute(&self, ctx: &Context, params: Params) -> Result<Output, HandlerError> {
        let stage = Stage::new(self.0.clone(), ctx, &params)?;
        let output = Output { seq: params.seq, fence: ctx.fencing_token().to_owned() };
        if params.is_stubborn {
            // Its end is logged by the thread, which goes on when this future is dropped.
            let work = move || {
                let opened = stage.ask("open")?;
                std::thread::sleep(Duration::from_millis(params.work_ms));
                stage.conclude(opened, &params)
            };
            let ended = tokio::task::spawn_blocking(work).await;
            return ended.map_err(|error| HandlerError::Fatal(error.to_string()))?.map(|()| output);
        }
        let mut dropped = OnDrop(Some(stage.clone()));
        let opened = stage.clone().ask_aside("open").await?;
        tokio::time::sleep(Duration::from_millis(params.work_ms)).await;
        let stage = dropped.0.take().unwrap_or(stage);
        let concluded = tokio::task::spawn_blocking(move || stage.conclude(opened, &params)).await;
        concluded.map_err(|error| HandlerError::Fatal(error.to_string()))?.map(|()| output)
    }
}

/// One run, as its log knows it.
#[derive(Clone)]
struct Stage {
    bench: Arc<Bench>,
    subtask: (String, u32),
    attempt: u32,
    fence: Fence,
}

/// Writes that a run was dropped, unless it came to its end.
struct OnDrop(Option<Stage>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(stage) = self.0.take() {
            stage.end(End::Dropped);
        }
    }
}

impl Stage {
    /// Begins a run: its start stands in the log before anything else happens.
    fn new(bench: Arc<Bench>, ctx: &Context, params: &Params) -> Result<Self, HandlerError> {
        let index = ctx.idempotency_key().as_str().rsplit('-').next().and_then(|index| index.parse().ok());
        let fence = Fence::read(ctx.fencing_token());
        let (Some(index), Some(fence)) = (index, fence) else {
            return Err(HandlerError::Fatal("an id that this harness cannot read".to_owned()));
        };
        let run = Run {
            task_id: ctx.task_id().to_string(),
            index,
            attempt: ctx.attempt(),
            crashes: ctx.crashes(),
            fence,
            seq: params.seq,
            pid: std::process::id(),
            worker: bench.worker.clone(),
            from: now(),
            end: None,
        };
        let subtask = (run.task_id.clone(), run.index);
        bench.ledger.write(&Line::Start(run).encode()).map_err(|error| HandlerError::Retryable(error.to_string()))?;
        Ok(Self { bench, subtask, attempt: ctx.attempt(), fence })
    }

    /// Fails, or has the effect; writes how the run ended. Blocks for a moment.
    fn conclude(&self, opened: Answer, params: &Params) -> Result<(), HandlerError> {
        if opened == Answer::Refused {
            return self.refused();
        }
        if params.is_fatal {
            self.end(End::Fatal);
            return Err(HandlerError::Fatal("as ordered".to_owned()));
        }
        if self.attempt <= params.failures {
            self.end(End::Retry);
            return Err(HandlerError::Retryable("as ordered".to_owned()));
        }
        match self.ask("apply")? {
            Answer::Refused => self.refused(),
            _ => {
                self.end(End::Done);
                Ok(())
            }
        }
    }

    fn refused(&self) -> Result<(), HandlerError> {
        self.end(End::Refused);
        Err(HandlerError::Retryable("a later run is known".to_owned()))
    }

    fn end(&self, end: End) {
        let Self { subtask, fence, .. } = self;
        let line = Line::End { pid: std::process::id(), fence: *fence, subtask: subtask.clone(), at: now(), end };
        if let Err(error) = self.bench.ledger.write(&line.encode()) {
            eprintln!("the end of a run is not in the log: {error}");
        }
    }

    fn ask(&self, verb: &str) -> Result<Answer, HandlerError> {
        let answer = sink::ask(&self.bench.folder, verb, (&self.subtask.0, self.subtask.1), self.fence);
        let answer = answer.map_err(|error| HandlerError::Retryable(format!("no answer of the sink: {error}")))?;
        answer.ok_or_else(|| HandlerError::Retryable("an answer of the sink that nobody knows".to_owned()))
    }

    async fn ask_aside(self, verb: &'static str) -> Result<Answer, HandlerError> {
        let asked = tokio::task::spawn_blocking(move || self.ask(verb)).await;
        asked.map_err(|error| HandlerError::Fatal(error.to_string()))?
    }
}
