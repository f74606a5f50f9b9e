//! `millstream healthcheck <role>`: one line, and exit code 0 or 1.

use crate::exit::Exit;
use crate::settings::{HealthSettings, ListenSettings};
use crate::{client, health, print};
use clap::{Args, ValueEnum};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Ask a role on this host whether it is healthy
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// The role to ask
    #[arg(value_enum)]
    role: Role,
    #[command(flatten)]
    health: HealthSettings,
    #[command(flatten)]
    listen: ListenSettings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Orchestrator,
    Worker,
    Projector,
}

impl Healthcheck {
    /// Asks, and says what it saw.
    pub fn run(self) -> anyhow::Result<Exit> {
        let verdict = match self.role {
            Role::Orchestrator => self.ask_ready()?,
            Role::Worker => self.look_at("worker"),
            Role::Projector => self.look_at("projector"),
        };
        let (exit, line) = match verdict {
            Ok(line) => (Exit::Ok, format!("healthy: {line}")),
            Err(line) => (Exit::Failed, format!("unhealthy: {line}")),
        };
        print::line(&line);
        Ok(exit)
    }

    fn ask_ready(&self) -> anyhow::Result<Result<String, String>> {
        let url = format!("{}/ready", self.listen.local_url());
        let status = client::runtime()?.block_on(client::probe(&url, TIMEOUT));
        Ok(match status {
            Ok(status) if status.is_success() => Ok(format!("{url} answers {status}")),
            Ok(status) => Err(format!("{url} answers {status}")),
            Err(error) => Err(format!("{error:#}")),
        })
    }

    fn look_at(&self, role: &str) -> Result<String, String> {
        let file = self.health.file(role);
        match health::age(&file) {
            Some(age) if age < health::AGE_MAX => Ok(format!("{} is {:.1} s old", file.display(), age.as_secs_f32())),
            Some(age) => Err(format!("{} is {} s old", file.display(), age.as_secs())),
            None => Err(format!("there is no {}", file.display())),
        }
    }
}
