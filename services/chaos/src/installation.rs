//! A whole installation in a folder of its own: one Redis, two orchestrators, two projectors, four workers, the effect
//! sink, and a proxy in front of everything that is connected to.

use crate::disk::Disk;
use crate::error::{ChaosError, io};
use crate::guard::Guard;
use crate::handler::KIND;
use crate::member::{Life, Member, Role};
use crate::options::{Options, Profile};
use crate::probe::Probe;
use crate::proxy::{Condition, Link};
use crate::shim::Shim;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system_tests::process::Signal;
use system_tests::redis::find_program;
use system_tests::stack::free_port;
use tokio::runtime::Runtime;

/// How long a dead worker's entries wait.
pub const LEASE_MS: u64 = 1_000;
const SLOTS: usize = 8;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Everything that runs, and where it is connected.
pub struct Installation {
    /// The server.
    pub redis: Arc<Member>,
    /// Everything else that runs.
    pub members: Vec<Arc<Member>>,
    /// To Redis, one for each member that needs it, named after it.
    pub links: Vec<Arc<Link>>,
    /// To the API, one for each orchestrator, named after it.
    pub doors: Vec<Arc<Link>>,
    /// Past the proxies.
    pub probe: Probe,
    /// Through a proxy that no fault touches.
    pub quiet: Probe,
    /// The clock and the disk of Redis.
    pub shim: Shim,
    /// Where Redis keeps its data.
    pub data: PathBuf,
    disk: Mutex<Option<Disk>>,
    _guard: Guard,
    network: Option<Runtime>,
}

impl Installation {
    /// Starts it all in `folder`, an absolute path; returns when the API is ready.
    pub async fn start(options: &Options, folder: &Path) -> Result<Arc<Self>, ChaosError> {
        let guard = Guard::start()?;
        let shim = Shim::build(folder)?;
        let data = folder.join("redis");
        std::fs::create_dir_all(&data).map_err(io("making a folder for Redis"))?;
        let disk = if options.profile == Profile::Diskfull { Some(Disk::mount(&data)?) } else { None };
        let port = free_port();
        let redis = Arc::new(redis(options, &shim, port, (folder, &data), guard.group())?);
        let network = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let network = network.map_err(io("starting the threads of the network"))?;
        let quiet = Link::open("quiet", port, network.handle())?;
        let (mut members, mut links, mut doors) = (Vec::new(), Vec::new(), Vec::new());
        members.push(Arc::new(sink(options, folder, guard.group())));
        let roles = [(Role::Orchestrator, 2), (Role::Projector, 2), (Role::Worker, 4)];
        for (role, number) in roles.iter().flat_map(|&(role, count)| (1..=count).map(move |number| (role, number))) {
            let name = format!("{}-{number}", word(role));
            let link = Arc::new(Link::open(&name, port, network.handle())?);
            let url = format!("redis://127.0.0.1:{}/0", link.port);
            links.push(link);
            let member = if role == Role::Worker {
                worker(options, (&name, &url), folder, guard.group())
            } else {
                let listens = free_port();
                if role == Role::Orchestrator {
                    doors.push(Arc::new(Link::open(&name, listens, network.handle())?));
                }
                service(options, (&name, role), (&url, listens), folder, guard.group())
            };
            members.push(Arc::new(member));
        }
        let (probe, quiet) = (Probe::new(port), Probe::new(quiet.port));
        let installation = Arc::new(Self {
            redis,
            members,
            links,
            doors,
            probe,
            quiet,
            shim,
            data,
            disk: Mutex::new(disk),
            _guard: guard,
            network: Some(network),
        });
        tokio::spawn(installation.clone().supervise());
        installation.wait_ready().await?;
        Ok(installation)
    }

    /// Everything of one role.
    pub fn of(&self, role: Role) -> Vec<Arc<Member>> {
        self.members.iter().filter(|member| member.role == role).cloned().collect()
    }

    /// Base addresses of the API, through their links.
    pub fn addresses(&self) -> Vec<String> {
        self.doors.iter().map(|door| format!("http://127.0.0.1:{}", door.port)).collect()
    }

    /// Where the append-only files lie.
    pub fn append_only(&self) -> PathBuf {
        self.data.join("appendonlydir")
    }

    /// Every process there was.
    pub fn lives(&self) -> Vec<Life> {
        self.members.iter().chain([&self.redis]).flat_map(|member| member.lives()).collect()
    }

    /// Undoes whatever a fault may have left, and waits until everything runs.
    pub async fn heal(&self) -> Result<(), ChaosError> {
        for link in self.links.iter().chain(&self.doors) {
            link.set(Condition::Sound);
        }
        let all = self.members.iter().chain([&self.redis]);
        for member in all.clone() {
            if member.signal(Signal::CONT).is_none() {
                member.release();
            }
        }
        if !self.probe.wait_ready(READY_WITHIN).await {
            return Err(ChaosError::Setup("redis does not come back".to_owned()));
        }
        self.probe.command(&["CONFIG", "SET", "maxmemory", "0"]).await?;
        self.wait_ready().await
    }

    /// Ends everything, each process by its pid, and waits for it; what Redis had on a disk of its own stays as a copy.
    pub async fn end(&self) {
        let all: Vec<_> = self.members.iter().chain([&self.redis]).collect();
        for member in &all {
            member.end(Signal::KILL, None);
        }
        while all.iter().any(|member| member.pid().is_some()) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = disk.map(Disk::give_back) {
            eprintln!("the disk of Redis is left as it is: {error}"); // the books are judged all the same
        }
    }

    async fn supervise(self: Arc<Self>) {
        loop {
            for member in self.members.iter().chain([&self.redis]) {
                if let Err(error) = member.look() {
                    eprintln!("{}: {error}", member.name);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn wait_ready(&self) -> Result<(), ChaosError> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
        let http = http.map_err(|error| ChaosError::Setup(error.to_string()))?;
        let answers = async |url: String, text: &str| match http.get(url).send().await {
            Ok(answer) => answer.status().is_success() && answer.text().await.is_ok_and(|body| body.contains(text)),
            Err(_) => false,
        };
        let ready = async {
            for address in self.addresses() {
                for (path, text) in [("ready", ""), ("kinds", KIND)] {
                    while !answers(format!("{address}/{path}"), text).await {
                        tokio::time::sleep(LOOK_EVERY * 5).await;
                    }
                }
            }
        };
        let late =
            |_| ChaosError::Setup("the API is not ready or knows no worker of ours; the logs say why".to_owned());
        tokio::time::timeout(READY_WITHIN, ready).await.map_err(late)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Some(network) = self.network.take() {
            network.shutdown_background(); // it may be dropped by a thread that must not wait
        }
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Redis => "redis",
        Role::Orchestrator => "orchestrator",
        Role::Projector => "projector",
        Role::Worker => "worker",
        Role::Sink => "sink",
    }
}

/// A command that runs in `folder` and in the guard's group, and inherits nothing but PATH.
fn command(program: &Path, folder: &Path, group: i32) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.current_dir(folder).process_group(group);
    command
}

fn redis(
    options: &Options,
    shim: &Shim,
    port: u16,
    (folder, data): (&Path, &Path),
    group: i32,
) -> Result<Member, ChaosError> {
    let program = find_program().map_err(io("looking for a Redis server"))?;
    let environment = shim.environment().map(|(name, path)| (name, path.to_owned()));
    let (data, fsync) = (data.to_owned(), options.profile.appendfsync());
    let recipe = move || {
        let mut command = command(&program, &data, group);
        command.envs(environment.iter().map(|(name, path)| (name, path)));
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--daemonize", "no"]);
        command.args(["--appendonly", "yes", "--appendfsync", fsync, "--maxmemory-policy", "noeviction"]);
        command.args(["--auto-aof-rewrite-min-size", "64mb", "--dir"]).arg(&data);
        command
    };
    Ok(Member::new("redis", Role::Redis, folder, recipe))
}

fn service(
    options: &Options,
    (name, role): (&str, Role),
    (url, port): (&str, u16),
    folder: &Path,
    group: i32,
) -> Member {
    let (program, health) = (options.millstream.clone(), folder.join(format!("health-{name}")));
    let (url, home, word) = (url.to_owned(), folder.to_owned(), word(role));
    Member::new(name, role, folder, move || {
        let mut command = command(&program, &home, group);
        command.arg(word).env("REDIS_URL", &url);
        if role == Role::Orchestrator {
            command.env("ORCHESTRATOR_PORT", port.to_string());
        } else {
            // The whole log is read at the end.
            command.env("HEALTH_DIR", &health).env("EVENTS_RETENTION_SECONDS", "86400");
            let _ = std::fs::create_dir_all(&health);
        }
        command
    })
}

fn worker(options: &Options, (name, url): (&str, &str), folder: &Path, group: i32) -> Member {
    let program = options.chaos.clone();
    let (id, url, home) = (name.to_owned(), url.to_owned(), folder.to_owned());
    Member::new(name, Role::Worker, folder, move || {
        let mut command = command(&program, &home, group);
        command.args(["worker", "--id", &id, "--redis", &url]);
        command.args(["--lease-ms", &LEASE_MS.to_string(), "--slots", &SLOTS.to_string()]);
        command
    })
}

fn sink(options: &Options, folder: &Path, group: i32) -> Member {
    let program = options.chaos.clone();
    let home = folder.to_owned();
    Member::new("sink", Role::Sink, folder, move || {
        let mut command = command(&program, &home, group);
        command.arg("sink");
        command
    })
}
