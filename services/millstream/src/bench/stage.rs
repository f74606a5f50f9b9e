//! The processes of a measurement: a private Redis, and roles of this program with default settings.

use crate::Cli;
use crate::print;
use crate::private_redis::{self, Persistence};
use crate::process::{self, Spec};
use crate::resp::Connection;
use crate::settings::{self, list, plain_url};
use crate::up::lock;
use anyhow::Context;
use clap::CommandFactory;
use redis_store::Store;
use secrecy::ExposeSecret;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Child;

const PATIENCE: Duration = Duration::from_secs(30);
const END_WITHIN: Duration = Duration::from_secs(10);
const TRIES: usize = 3;

/// What to measure on.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The Redis server program.
    pub program: PathBuf,
    /// How it keeps what it acknowledges.
    pub persistence: Persistence,
    /// Settings of the roles that differ from their defaults.
    pub settings: Vec<(String, String)>,
}

/// What runs.
pub struct Stage {
    plan: Plan,
    folder: Folder,
    redis: Child,
    port: u16,
    roles: Vec<(&'static str, Child)>,
    store: Store,
}

/// A folder on the disk of the working directory, because fsync on a folder in memory costs nothing; gone at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    /// Starts Redis and proves that it is ours.
    pub async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let folder = Folder(Path::new(lock::FOLDER).join(format!("bench-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0).with_context(|| format!("making {}", folder.0.display()))?;
        let mut failed = None;
        for _ in 0..TRIES {
            let port = private_redis::free_port(None)?;
            let spec = private_redis::spec(&plan.program, port, &folder.0, plan.persistence, None)?;
            let log = File::create(folder.0.join("redis.log"))?;
            let mut redis = spec.command().stdout(log.try_clone()?).stderr(log).spawn().context("starting redis")?;
            match private_redis::prove(&mut redis, port).await {
                Ok(()) => {
                    let store = settings::connect(plain_url("127.0.0.1", port), PATIENCE)?;
                    anyhow::ensure!(store.wait_connected(PATIENCE).await, "redis does not answer");
                    return Ok(Self { plan: plan.clone(), folder, redis, port, roles: Vec::new(), store });
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| anyhow::anyhow!("redis was not started")))
    }

    /// Starts a role of this program; must be called on the main thread. No setting of the bench reaches it but those
    /// of the plan, and no `.env`.
    pub fn start_role(&mut self, role: &'static str) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("finding this program")?;
        let spec = Spec { name: role.to_owned(), program, args: vec![role.into()], env: Vec::new() };
        let folder = std::path::absolute(&self.folder.0)?;
        let number = self.roles.len();
        let log = File::create(folder.join(format!("{role}-{number}.log")))?;
        let mut command = spec.command();
        for setting in list::list(&Cli::command()) {
            command.env_remove(setting.name);
        }
        command.envs(self.plan.settings.iter().cloned());
        command.env("REDIS_URL", plain_url("127.0.0.1", self.port).expose_secret());
        command.env("HEALTH_DIR", folder.join(format!("health-{number}")));
        let child = command.current_dir(&folder).stdout(log.try_clone()?).stderr(log).spawn();
        self.roles.push((role, child.with_context(|| format!("starting the {role}"))?));
        Ok(())
    }

    /// A connection of the kind that services use.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A plain connection.
    pub fn connection(&self) -> anyhow::Result<Connection> {
        Connection::open("127.0.0.1", self.port, PATIENCE)
    }

    /// The port of Redis.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The processes of one role.
    pub fn pids(&self, role: &str) -> Vec<u32> {
        self.roles.iter().filter(|(name, _)| *name == role).filter_map(|(_, child)| child.id()).collect()
    }

    /// Fails if a process ended, with the end of its log.
    pub fn check(&mut self) -> anyhow::Result<()> {
        for (number, (role, child)) in self.roles.iter_mut().enumerate() {
            if let Some(status) = child.try_wait()? {
                let log = std::fs::read_to_string(self.folder.0.join(format!("{role}-{number}.log")))?;
                let last: Vec<_> = log.lines().rev().take(3).map(print::clean).collect();
                anyhow::bail!("the {role} ended ({status}): {}", last.join(" | "));
            }
        }
        Ok(())
    }

    /// Ends everything: the roles first.
    pub async fn end(mut self) {
        for (_, child) in &mut self.roles {
            process::end(child, END_WITHIN, std::future::pending()).await;
        }
        self.store.close().await;
        process::end(&mut self.redis, END_WITHIN, std::future::pending()).await;
    }
}
