//! `millstream up`: the whole system on one machine, in the foreground.
//!
//! A Redis of its own unless the settings name one, the API, the projector and the workers, each a child process of
//! this same program. What dies is started again; what `up` ends, in any way, ends with it. Everything runs on the
//! main thread, because children are bound to the thread that started them.

mod announce;
mod keeper;
pub mod lock;
mod output;
mod redis;

use crate::exit::{Exit, Failure};
use crate::process::Spec;
use crate::settings::{
    EgressSettings, FleetSettings, GuardSettings, InForce, LifeSettings, ListenSettings, LogSettings, MetricsSettings,
    OrchestratorSettings, ProjectorSettings, RedisSettings, ServerSettings, StopSettings, TraceSettings,
    WorkerSettings,
};
use crate::signals;
use anyhow::Context;
use clap::Args;
use keeper::Keeper;
use lock::Lock;
use output::Voice;
use secrecy::{ExposeSecret, SecretString};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a child may take beyond its own grace time.
const BEYOND_GRACE: Duration = Duration::from_secs(5);

/// Run the whole system here until Ctrl-C
#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    redis: RedisSettings,
    #[command(flatten)]
    listen: ListenSettings,
    #[command(flatten)]
    orchestrator: OrchestratorSettings,
    #[command(flatten)]
    guard: GuardSettings,
    #[command(flatten)]
    egress: EgressSettings,
    #[command(flatten)]
    fleet: FleetSettings,
    #[command(flatten)]
    worker: WorkerSettings,
    #[command(flatten)]
    life: LifeSettings,
    #[command(flatten)]
    projector: ProjectorSettings,
    #[command(flatten)]
    stop: StopSettings,
    #[command(flatten)]
    log: LogSettings,
    #[command(flatten)]
    trace: TraceSettings,
    #[command(flatten)]
    metrics: MetricsSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl Up {
    /// Runs until a signal, or until a part refuses its settings.
    pub fn run(self, in_force: InForce) -> anyhow::Result<Exit> {
        self.listen.check_anonymous(&self.orchestrator, &self.guard)?;
        self.guard.credentials()?;
        crate::orchestrator::rules(self.orchestrator.plan_rules.as_deref())?;
        let ports = self.metrics_ports()?;
        let lock = Lock::acquire()?;
        self.listen.check_free()?;
        self.metrics.check_free(&ports)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting up")?;
        runtime.block_on(self.serve(&lock, &in_force))
    }

    async fn serve(&self, lock: &Lock, in_force: &InForce) -> anyhow::Result<Exit> {
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        let kill_all = kill.clone();
        signals::watch(stop.clone(), move || kill_all.cancel())?;
        let (hopeless, mut hopes_lost) = mpsc::channel(1);
        let patience = self.stop.shutdown_grace + BEYOND_GRACE;
        let roles = Keeper { stop: stop.clone(), kill: kill.clone(), patience, hopeless };
        let voice = Voice::new("up", 0);
        voice.say(&format!("settings in force: {in_force}"));

        let redis_stop = CancellationToken::new();
        let redis_keeper = Keeper { stop: redis_stop.clone(), ..roles.clone() };
        let redis = match self.redis.given() {
            Some(url) => redis::Redis::given(url),
            None => {
                let program = crate::private_redis::find_program(self.server.redis_server_bin.as_deref())?;
                redis::start_private(
                    &program,
                    self.redis.redis_port,
                    self.fleet.redis_maxmemory_mb,
                    redis_keeper,
                    &voice,
                )
                .await?
            }
        };
        if redis.is_private() {
            lock.publish(&redis.url)?;
        }
        announce::promise(&redis, &voice).await?;

        let children = TaskTracker::new();
        for (at, spec) in self.children(in_force, &redis.url)?.into_iter().enumerate() {
            let voice = Voice::new(&spec.name, at + 2);
            children.spawn(roles.clone().keep(spec, voice, None));
        }
        children.close();
        let announced = async {
            announce::when_reachable(&self.listen, &redis, &voice).await;
            std::future::pending::<()>().await;
        };
        let refused = tokio::select! {
            _ = stop.cancelled() => None,
            failure = hopes_lost.recv() => failure,
            _ = announced => None,
        };
        stop.cancel();
        voice.say("stopping; once more ends it at once");
        children.wait().await;
        redis_stop.cancel();
        redis.ended().await;
        voice.say("stopped");
        refused.map_or(Ok(Exit::Ok), |failure: Failure| Err(failure.into()))
    }

    /// Those of the projector and the workers.
    fn metrics_ports(&self) -> Result<Vec<u16>, Failure> {
        self.metrics.ports(1 + self.fleet.workers)
    }

    /// The API, the projector and the workers.
    fn children(&self, in_force: &InForce, url: &SecretString) -> anyhow::Result<Vec<Spec>> {
        let program = std::env::current_exe().context("finding this program")?;
        let workers = (1..=self.fleet.workers).map(|number| ("worker", format!("worker-{number}")));
        let roles = [("orchestrator", "orchestrator".to_owned()), ("projector", "projector".to_owned())];
        let ports = std::iter::once(0).chain(self.metrics_ports()?); // the API has its own
        let health = Path::new(lock::FOLDER).join("health");
        let specs = roles.into_iter().chain(workers).zip(ports).map(|((role, name), port)| {
            let mut env: Vec<(OsString, OsString)> =
                in_force.environment().map(|(name, value)| (name.into(), value.into())).collect();
            env.push(("REDIS_URL".into(), url.expose_secret().into()));
            env.push(("WORKER_ID".into(), name.as_str().into()));
            env.push(("METRICS_PORT".into(), port.to_string().into()));
            env.push(("HEALTH_DIR".into(), health.join(&name).into()));
            env.extend(self.log.log_file.as_deref().map(|file| ("LOG_FILE".into(), file_of(file, &name).into())));
            Spec { name, program: program.clone(), args: vec![role.into()], env }
        });
        Ok(specs.collect())
    }
}

/// The log file of one role: its name before the extension.
fn file_of(file: &Path, name: &str) -> PathBuf {
    let mut own = file.file_stem().unwrap_or_default().to_owned();
    own.push(format!("-{name}"));
    if let Some(extension) = file.extension() {
        own.push(".");
        own.push(extension);
    }
    file.with_file_name(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_logs_into_a_file_of_its_own() {
        for (file, own) in
            [("logs/m.log", "logs/m-worker-1.log"), ("m", "m-worker-1"), ("/a/m.x.log", "/a/m.x-worker-1.log")]
        {
            assert_eq!(file_of(Path::new(file), "worker-1"), Path::new(own));
        }
    }
}
