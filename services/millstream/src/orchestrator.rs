//! `millstream orchestrator`: the HTTP API.

use crate::exit::{Exit, Failure};
use crate::files;
use crate::role::{Role, RoleSettings};
use crate::settings::{
    EgressSettings, GuardSettings, InForce, LifeSettings, ListenSettings, OrchestratorSettings, StopSettings,
};
use ::orchestrator::feed::FeedSettings;
use anyhow::Context;
use clap::Args;
use std::path::Path;
use std::time::Duration;
use task_core::Rules;

const NAME: &str = "orchestrator";
/// An API that cannot reach Redis answers 503 within 3 s (ACCEPTANCE TASK-7).
const PATIENCE: Duration = Duration::from_secs(2);

/// How long who was allowed to follow goes on doing so: a key that is revoked opens nothing for longer.
const STREAM_LIFE: Duration = Duration::from_secs(600);

/// Serve the HTTP API until SIGTERM
#[derive(Debug, Args)]
pub struct Orchestrator {
    #[command(flatten)]
    role: RoleSettings,
    #[command(flatten)]
    listen: ListenSettings,
    #[command(flatten)]
    orchestrator: OrchestratorSettings,
    #[command(flatten)]
    guard: GuardSettings,
    #[command(flatten)]
    egress: EgressSettings,
    #[command(flatten)]
    life: LifeSettings,
    #[command(flatten)]
    stop: StopSettings,
}

impl Orchestrator {
    /// Serves until a signal.
    pub fn run(self, in_force: InForce) -> anyhow::Result<Exit> {
        self.listen.check_anonymous(&self.orchestrator, &self.guard)?;
        self.listen.check_free()?;
        let role = Role {
            name: NAME,
            speaker: NAME,
            patience: PATIENCE,
            health_file: None,
            exposition: None,
            settings: &self.role,
            in_force: &in_force,
        };
        let handlers = ::worker::handlers::built_in(0.0);
        let (standard, auth) = (::orchestrator::Config::default(), self.guard.credentials()?);
        let config = ::orchestrator::Config {
            host: self.listen.orchestrator_host.clone(),
            port: self.listen.orchestrator_port,
            plan_rules: rules(self.orchestrator.plan_rules.as_deref())?,
            kinds: handlers.queues().map(|(kind, queue)| (kind.clone(), queue.clone())).collect(),
            backlog_max: self.orchestrator.backlog_max,
            connections_max: self.orchestrator.connections_max as usize,
            task_ttl: self.life.task_ttl,
            replicas: self.orchestrator.replicas(),
            allowance: self.guard.allowance(),
            hosts: self.orchestrator.hosts(&self.guard),
            cors_origins: self.guard.cors_origins.clone(),
            feed: FeedSettings {
                streams_max: self.orchestrator.sse_max as usize,
                life: auth.is_on().then_some(STREAM_LIFE),
                ..standard.feed
            },
            auth,
            egress: self.egress.egress(),
            shutdown_grace: self.stop.shutdown_grace,
            ..standard
        };
        let connections_max = self.orchestrator.connections_max;
        role.run(async move |store, _pulse, shutdown| {
            files::allow(connections_max);
            ::orchestrator::run(config, store, shutdown).await.context("serving the API")?;
            Ok(Exit::Ok)
        })
    }
}

/// The rules of a file, or the built-in ones.
pub fn rules(file: Option<&Path>) -> Result<Rules, Failure> {
    let Some(file) = file else { return Ok(Rules::built_in()) };
    let refusal = |why: String| Failure::setting("PLAN_RULES", format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| refusal(format!("cannot be read: {error}")))?;
    Rules::parse(&text).map_err(|error| refusal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_cannot_be_used_are_named_with_their_setting_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        assert!(rules(Some(&file)).unwrap_err().to_string().starts_with("PLAN_RULES: "));
        std::fs::write(&file, "[fallback]\nsteps = 3\n").unwrap();
        assert!(rules(Some(&file)).unwrap_err().to_string().contains("line 2"));
        std::fs::write(&file, "[fallback]\nsteps = [{ description = \"do\" }]\n").unwrap();
        assert!(rules(Some(&file)).is_ok() && rules(None).is_ok());
    }
}
