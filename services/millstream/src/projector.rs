//! `millstream projector`: folds events into the status of tasks.

use crate::exit::Exit;
use crate::exposition::Exposition;
use crate::role::{Role, RoleSettings};
use crate::settings::{HealthSettings, InForce, LifeSettings, MetricsSettings, ProjectorSettings};
use clap::Args;
use std::time::Duration;

const NAME: &str = "projector";
const PATIENCE: Duration = Duration::from_secs(10);

/// Fold events into the status of tasks until SIGTERM
#[derive(Debug, Args)]
pub struct Projector {
    #[command(flatten)]
    role: RoleSettings,
    #[command(flatten)]
    life: LifeSettings,
    #[command(flatten)]
    projector: ProjectorSettings,
    #[command(flatten)]
    health: HealthSettings,
    #[command(flatten)]
    metrics: MetricsSettings,
}

impl Projector {
    /// Runs until a signal.
    pub fn run(self, in_force: InForce) -> anyhow::Result<Exit> {
        let config = ::projector::Config {
            task_ttl: self.life.task_ttl,
            events_retention: self.projector.events_retention,
            ..::projector::Config::default()
        };
        let role = Role {
            name: NAME,
            speaker: NAME,
            patience: PATIENCE,
            health_file: Some(self.health.file(NAME)),
            exposition: Some(Exposition { settings: &self.metrics, registry: config.metrics.registry().clone() }),
            settings: &self.role,
            in_force: &in_force,
        };
        role.run(async |store, pulse, shutdown| {
            ::projector::run(config, store, pulse, shutdown).await;
            Ok(Exit::Ok)
        })
    }
}
