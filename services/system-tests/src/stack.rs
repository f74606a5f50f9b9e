//! A whole installation of a test's own: Redis, orchestrator, projectors, workers, each a process of the real binary in
//! a directory without `.env`.

use crate::client::Client;
use crate::eventually::{eventually, within};
use crate::process::{Finished, Process, Settings, run};
use crate::redis::PrivateRedis;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

/// How long anything that must happen may take; generous, because a loaded machine is slow and a broken one is not.
pub const SOON: Duration = Duration::from_secs(30);
/// The lease of every stack.
pub const LEASE: Duration = Duration::from_secs(1);
const TRIES_MAX: usize = 3;

/// What a stack is to be; [`Plan::start`] makes it so.
pub struct Plan {
    workers: usize,
    redis: Vec<String>,
    settings: Settings,
}

/// A running installation.
pub struct Stack {
    /// Its Redis.
    pub redis: PrivateRedis,
    /// The API.
    pub orchestrator: Process,
    /// The projectors, one at first.
    pub projectors: Vec<Process>,
    /// The workers, worker-1 first.
    pub workers: Vec<Process>,
    /// Speaks to the API.
    pub client: Client,
    settings: Settings,
    started: usize,
    directory: tempfile::TempDir,
}

impl Plan {
    /// This many workers, which do not spend time on simulated work.
    pub fn workers(workers: usize) -> Self {
        let settings = [("LEASE_MS", LEASE.as_millis().to_string()), ("SIMULATE_SECONDS", "0".to_owned())];
        let redis = ["--appendonly", "no"].map(str::to_owned).into();
        Self { workers, redis, settings: settings.map(|(name, value)| (name.to_owned(), value)).into() }
    }

    /// Another value of one setting, for every process.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.insert(name.to_owned(), value.to_string());
        self
    }

    /// A Redis that syncs every write before it answers, as `make up` has it: for tests that kill it. The others do
    /// without, because a disk that is busy elsewhere would hold up a lease of a second.
    pub fn durable(self) -> Self {
        self.redis(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Further arguments of the Redis server.
    pub fn redis(mut self, arguments: &[&str]) -> Self {
        self.redis.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Starts it all and returns when the API is ready and every worker reads.
    pub fn start(self) -> Stack {
        let arguments: Vec<&str> = self.redis.iter().map(String::as_str).collect();
        let redis = PrivateRedis::start_with(&arguments).expect("a Redis of our own");
        let directory = tempfile::tempdir().expect("a directory");
        let mut settings = self.settings;
        settings.insert("REDIS_URL".to_owned(), redis.url());
        let (orchestrator, client) = start_orchestrator(&settings, directory.path());
        let mut stack = Stack {
            redis,
            orchestrator,
            projectors: Vec::new(),
            workers: Vec::new(),
            client,
            settings,
            started: 0,
            directory,
        };
        stack.add_projector();
        for _ in 0..self.workers {
            stack.add_worker();
        }
        stack.await_ready();
        stack
    }
}

impl Stack {
    /// Starts one more projector.
    pub fn add_projector(&mut self) {
        let projector = self.start_role("projector", &format!("projector-{}", self.projectors.len() + 1));
        self.projectors.push(projector);
    }

    /// Starts one more worker.
    pub fn add_worker(&mut self) {
        let name = format!("worker-{}", self.workers.len() + 1);
        let worker = self.start_role("worker", &name);
        self.workers.push(worker);
    }

    /// Starts the API again, at the address it had; the old process must have ended.
    pub fn restart_orchestrator(&mut self) {
        let port = self.client.base().rsplit(':').next().expect("a port").to_owned();
        self.settings.insert("ORCHESTRATOR_PORT".to_owned(), port);
        self.orchestrator = self.start_role("orchestrator", "orchestrator");
        self.await_ready();
    }

    /// Starts Redis again, after a kill or with one, and waits until the API has found it.
    pub fn restart_redis(&mut self) {
        self.redis.restart().expect("redis starts again");
        self.await_ready();
    }

    /// Runs a sub-command to its end with the settings of this installation.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        run(arguments, &self.settings, self.directory.path())
    }

    /// Runs a client command to its end: it knows the address of the API and nothing else.
    pub fn run_client(&self, arguments: &[&str]) -> Finished {
        let settings = [("MILLSTREAM_URL".to_owned(), self.client.base().to_owned())].into();
        run(arguments, &settings, self.directory.path())
    }

    /// The settings of every process.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The directory in which every process runs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until a task is in this status; answers its document.
    pub fn await_status(&self, task_id: &str, status: &str) -> serde_json::Value {
        let mut last = serde_json::Value::Null;
        within(SOON, || {
            last = self.client.task(task_id);
            (last["status"] == status).then(|| last.clone())
        })
        .unwrap_or_else(|| panic!("not {status} within {SOON:?}: {last:#}"))
    }

    /// Waits until every task of the index has ended; answers how many there are.
    pub fn await_drained(&self, deadline: Duration) -> i64 {
        let count = |key: &str| self.redis.command(&["ZCARD", key]).integer();
        let drained = within(deadline, || {
            let open = count("tasks:queued") + count("tasks:processing");
            (open == 0).then(|| count("tasks"))
        });
        drained.unwrap_or_else(|| {
            panic!("after {deadline:?}: {} queued, {} processing", count("tasks:queued"), count("tasks:processing"))
        })
    }

    /// Runs the real audit, which must find nothing.
    pub fn audit(&self) {
        let finished = self.run(&["audit", "--json"]);
        assert_eq!(finished.code, Some(0), "the audit says: {}{}", finished.out, finished.err);
    }

    fn await_ready(&self) {
        eventually(SOON, "the API is ready", || {
            if let Some(status) = self.orchestrator.try_exit() {
                panic!("the orchestrator ended: {status}");
            }
            self.client.try_get("/ready").is_ok_and(|answer| answer.status == 200).then_some(())
        });
        for worker in &self.workers {
            worker.wait_line(SOON, "] ready");
        }
    }

    fn start_role(&mut self, role: &str, name: &str) -> Process {
        self.started += 1;
        let mut settings = self.settings.clone();
        let health = self.directory.path().join(format!("health-{name}-{}", self.started));
        settings.insert("HEALTH_DIR".to_owned(), health.display().to_string());
        if role == "worker" {
            settings.entry("WORKER_ID".to_owned()).or_insert_with(|| name.to_owned());
        }
        Process::start(name, &[role], &settings, self.directory.path())
    }
}

/// Starts an API on a free port. Another process may take the port first: then the next one is tried.
fn start_orchestrator(settings: &Settings, directory: &Path) -> (Process, Client) {
    for _ in 0..TRIES_MAX {
        let port = free_port();
        let mut settings = settings.clone();
        settings.insert("ORCHESTRATOR_PORT".to_owned(), port.to_string());
        let process = Process::start("orchestrator", &["orchestrator"], &settings, directory);
        let client = Client::new(port);
        let lives = within(SOON, || match process.try_exit() {
            Some(_) => Some(false),
            None => client.try_get("/livez").is_ok().then_some(true),
        });
        if lives == Some(true) {
            return (process, client);
        }
    }
    panic!("the orchestrator does not listen");
}

/// A port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// The first of `count` ports in a row that nobody listens on, from below those that the system gives to connections:
/// of them it takes none in between.
pub fn free_ports(count: u16) -> u16 {
    let base = 20_000 + (std::process::id() as u16).wrapping_mul(16) % 12_000;
    let listens = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_err();
    let is_free = |first: &u16| !(*first..*first + count).any(listens);
    (base..32_000).chain(20_000..base).step_by(usize::from(count)).find(is_free).expect("free ports")
}
