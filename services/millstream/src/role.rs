//! What every role does around its own `run`: log, traces, connection, signals, health file, exit code.

use crate::exit::Exit;
use crate::exposition::Exposition;
use crate::settings::{InForce, LogSettings, RedisSettings, TraceSettings, masked};
use crate::{health, parent, signals};
use anyhow::Context;
use clap::Args;
use redis_store::Store;
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::Duration;
use telemetry::Pulse;
use tokio_util::sync::CancellationToken;

const CONNECTED_WITHIN: Duration = Duration::from_millis(500);

/// What every role is told.
#[derive(Debug, Args)]
pub struct RoleSettings {
    #[command(flatten)]
    pub redis: RedisSettings,
    #[command(flatten)]
    pub log: LogSettings,
    #[command(flatten)]
    pub trace: TraceSettings,
}

/// A role about to run.
pub struct Role<'a> {
    /// Its sub-command.
    pub name: &'static str,
    /// Who it is in its log.
    pub speaker: &'a str,
    /// How long a command to Redis is tried again.
    pub patience: Duration,
    /// Where it shows its health, if it does.
    pub health_file: Option<PathBuf>,
    /// Where it shows what it counts, unless it has an API to do so.
    pub exposition: Option<Exposition<'a>>,
    /// What it is told.
    pub settings: &'a RoleSettings,
    /// The same and everything else it is told, for the log.
    pub in_force: &'a InForce,
}

impl Role<'_> {
    /// Runs `body` until it ends; it is expected to end soon after the token is cancelled.
    pub fn run<F, T>(self, body: F) -> anyhow::Result<Exit>
    where
        F: FnOnce(Store, Pulse, CancellationToken) -> T,
        T: Future<Output = anyhow::Result<Exit>> + Send + 'static,
    {
        parent::die_with_it(Signal::KILL)?;
        let guard = self.settings.log.init(self.speaker)?;
        let traces = self.settings.trace.init(self.name, self.speaker)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting threads")?;
        let ended = runtime.block_on(self.serve(body));
        runtime.shutdown_timeout(Duration::from_secs(1));
        drop(traces);
        drop(guard);
        ended
    }

    async fn serve<F, T>(self, body: F) -> anyhow::Result<Exit>
    where
        F: FnOnce(Store, Pulse, CancellationToken) -> T,
        T: Future<Output = anyhow::Result<Exit>> + Send + 'static,
    {
        let shutdown = CancellationToken::new();
        signals::watch(shutdown.clone(), || std::process::exit(Exit::Interrupted as i32))?;
        tracing::info!(role = self.name, version = env!("CARGO_PKG_VERSION"), "settings in force: {}", self.in_force);
        tracing::info!("redis is at {}", masked(&self.settings.redis.url()));
        let store = self.settings.redis.connect(self.patience)?;
        // A Redis that is there answers at once; one that is not is the role's to wait for.
        store.wait_connected(CONNECTED_WITHIN).await;
        if let Some(exposition) = self.exposition {
            exposition.start(&store).await?;
        }
        let pulse = Pulse::default();
        if let Some(file) = self.health_file {
            // A file of an earlier life would vouch for this one.
            let _ = std::fs::remove_file(&file);
            tokio::spawn(health::show(file, pulse.clone()));
        }
        // On a thread of the runtime: on this one, each answer of Redis would have to wake another.
        let ended = tokio::spawn(body(store.clone(), pulse, shutdown)).await;
        let ended = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        store.close().await;
        match &ended {
            Ok(exit) => tracing::info!(role = self.name, code = *exit as u8, "ended"),
            Err(error) => tracing::error!(role = self.name, "ended: {error:#}"),
        }
        ended
    }
}
