//! `millstream up`: the whole system in one foreground process.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;
use system_tests::client::Client;
use system_tests::eventually::eventually;
use system_tests::process::{self, Process, Settings, Signal, run};
use system_tests::redis::{self, PrivateRedis};
use system_tests::scrape::Scrape;
use system_tests::stack::{SOON, free_port, free_ports};
use system_tests::{body, stack};
use tempfile::TempDir;

const WORKERS_LINE: [&str; 4] = ["XINFO", "CONSUMERS", "subtasks:default:medium", "workers"];

/// An `up` in a directory of its own.
struct Up {
    process: Process,
    client: Client,
    directory: TempDir,
}

impl Up {
    fn start(more: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (settings, port) = settings(more);
        let process = Process::start("up", &["up"], &settings, directory.path());
        process.wait_line(SOON, "Swagger UI http://127.0.0.1:");
        Self { process, client: Client::new(port), directory }
    }

    /// Runs the redis-cli line that was printed, as it stands there, in an environment with `more` settings.
    fn run_printed_line(&self, more: &[(&str, &str)]) -> String {
        let said = self.process.wait_line(SOON, &WORKERS_LINE.join(" "));
        let line = said.split_once("workers ").expect("a line that begins with what it shows").1.trim();
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).envs(more.iter().copied()).current_dir(self.directory.path());
        let output = shell.output().expect("a shell");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn pids_of(&self, role: &str) -> Vec<u32> {
        let is_role = |command: &str| command.split(' ').nth(1) == Some(role);
        self.process.mark().bearers().into_iter().filter(|(_, command)| is_role(command)).map(|(pid, _)| pid).collect()
    }

    fn assert_completes_a_task(&self) -> String {
        let id = self.client.submit(&body::authentication());
        eventually(SOON, "the task is completed", || (self.client.task(&id)["status"] == "completed").then_some(()));
        id
    }

    fn assert_nothing_left(&self) {
        eventually(SOON, "nothing is left", || self.process.mark().bearers().is_empty().then_some(()));
    }
}

fn settings(more: &[(&str, &str)]) -> (Settings, u16) {
    let port = free_port();
    let mut settings: Settings = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let program = redis::find_program().expect("a Redis server").display().to_string();
    for (name, value) in [
        ("ORCHESTRATOR_PORT", port.to_string()),
        ("REDIS_PORT", free_port().to_string()),
        ("REDIS_SERVER_BIN", program),
        ("SIMULATE_SECONDS", "0".to_owned()),
        ("LEASE_MS", stack::LEASE.as_millis().to_string()),
    ] {
        settings.entry(name.to_owned()).or_insert(value);
    }
    (settings, port)
}

fn consumers(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| char.is_whitespace() || char == '"');
    words.filter(|word| word.starts_with("worker-") && word.split('-').count() == 4).map(str::to_owned).collect()
}

#[test]
fn up_shows_as_many_consumers_as_workers_replaces_the_dead_and_leaves_nothing_after_ctrl_c() {
    let up = Up::start(&[("WORKERS", "4")]);
    let four =
        eventually(SOON, "four consumers", || Some(consumers(&up.run_printed_line(&[]))).filter(|all| all.len() == 4));
    let (here, _) = settings(&[]);
    let without_address: Settings = here.into_iter().filter(|(name, _)| !name.starts_with("REDIS")).collect();
    let arguments = [&["redis-cli"], &WORKERS_LINE[..]].concat();
    let same = run(&arguments, &without_address, up.directory.path());
    assert_eq!(consumers(&same.out), four, "{same:?}");
    let names: BTreeSet<&str> = four.iter().map(|name| &name[..8]).collect();
    assert_eq!(names, ["worker-1", "worker-2", "worker-3", "worker-4"].into());
    for said in [
        "API        http://127.0.0.1:",
        "ReDoc      http://127.0.0.1:",
        "an acknowledged submit survives process death and power loss",
        "Ctrl-C",
    ] {
        up.process.wait_line(SOON, said);
    }
    up.assert_completes_a_task();
    assert_eq!(up.process.mark().bearers().len(), 8, "itself, Redis, API, projector and four workers");

    for role in ["worker", "projector", "orchestrator"] {
        let before = up.pids_of(role);
        let victim = *before.first().unwrap_or_else(|| panic!("{role}: {:?}", up.process.mark().bearers()));
        process::send(victim, Signal::KILL);
        eventually(SOON, "a new one takes the place of the dead", || {
            let now = up.pids_of(role);
            (now.len() == before.len() && !now.contains(&victim)).then_some(())
        });
    }
    eventually(SOON, "the API answers again", || {
        up.client.try_get("/ready").is_ok_and(|ready| ready.status == 200).then_some(())
    });
    up.assert_completes_a_task();

    up.process.signal(Signal::INT);
    let exit = up.process.wait_exit(SOON);
    assert!(exit.code().is_some(), "{exit}");
    assert!(up.process.mark().bearers().is_empty(), "left behind: {:?}", up.process.mark().bearers());
    let lines = up.process.log().lines();
    assert!(lines.iter().any(|line| line.starts_with("[worker-3] ")), "each line begins with who says it");
}

#[test]
fn an_up_that_is_killed_leaves_nothing_behind_and_the_next_one_goes_on_with_its_data() {
    let mut up = Up::start(&[("SIMULATE_SECONDS", "1000")]);
    let id = up.client.submit(&body::simulated(3));
    up.process.kill();
    up.assert_nothing_left();

    let (settings, port) = settings(&[]);
    up.process = Process::start("up again", &["up"], &settings, up.directory.path());
    up.client = Client::new(port);
    up.process.wait_line(SOON, "Swagger UI");
    eventually(SOON, "the task is completed", || (up.client.task(&id)["status"] == "completed").then_some(()));
    up.process.signal(Signal::TERM);
    assert_eq!(up.process.wait_exit(SOON).code(), Some(0));
    up.assert_nothing_left();
}

#[test]
fn every_part_shows_what_it_counts_and_all_of_it_agrees() {
    let base = free_ports(3);
    let up = Up::start(&[("WORKERS", "2"), ("METRICS_PORT", &base.to_string())]);
    let id = up.assert_completes_a_task();
    let subtasks = up.client.task(&id)["subtasks"].as_array().expect("a list").len() as f64;
    let scrape = |client: &Client| {
        let answer = client.get("/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        Scrape::parse(&answer.body).expect("a sound text")
    };
    let recorded = [("script", "settle"), ("answer", "recorded")];
    let settled = |worker: &Scrape| worker.value("millstream_recordings_total", &recorded).expect("a series");
    let ran = |worker: &Scrape| worker.total("millstream_attempts_total");
    let counted = |projector: &Scrape| projector.value("millstream_folded_facts_total", &[("answer", "counted")]);
    // Each counts once it has heard the answer of Redis, which others may see before.
    let [projector, one, other] = eventually(SOON, "all have counted it", || {
        let all = [base, base + 1, base + 2].map(|port| scrape(&Client::new(port)));
        let [projector, one, other] = &all;
        let is_all = settled(one) + settled(other) == subtasks && counted(projector) == Some(subtasks);
        (is_all && ran(one) + ran(other) == subtasks).then_some(all)
    });
    let api = scrape(&up.client);
    assert_eq!(api.value("millstream_tasks", &[("status", "completed")]), Some(1.0));
    assert_eq!(api.value("millstream_workers", &[("state", "alive")]), Some(2.0));
    let services = [&api, &projector, &one, &other].map(|scrape| {
        let (labels, _) = scrape.series("millstream_build_info").next().expect("who it is");
        labels["service"].clone()
    });
    assert_eq!(services, ["orchestrator", "projector", "worker", "worker"]);
}

#[test]
fn a_taken_port_is_named_with_its_setting_and_nothing_is_started() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for role in ["up", "orchestrator"] {
        let directory = tempfile::tempdir().expect("a directory");
        let (settings, _) = settings(&[("ORCHESTRATOR_PORT", &port)]);
        let process = Process::start(role, &[role], &settings, directory.path());
        let line = process.wait_line(SOON, "ORCHESTRATOR_PORT to another");
        assert!(line.contains(&port), "{line}");
        let exit = process.wait_exit(SOON);
        assert!(exit.code().is_some_and(|code| code != 0), "{exit}");
        assert!(process.mark().bearers().is_empty());
        assert!(!directory.path().join(".millstream/redis-data").exists(), "no Redis was started");
    }
}

#[test]
fn a_private_redis_takes_another_port_if_the_first_is_taken() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let up = Up::start(&[("REDIS_PORT", &port), ("WORKERS", "1")]);
    up.process.wait_line(SOON, &format!("because {port} is taken"));
    up.assert_completes_a_task();
}

#[test]
fn a_redis_with_password_and_database_is_used_and_the_password_never_said() {
    const PASSWORD: &str = "correct-horse-battery";
    let redis = PrivateRedis::start().expect("a Redis of our own");
    redis.command(&["ACL", "SETUSER", "miller", "on", &format!(">{PASSWORD}"), "~*", "&*", "+@all"]);
    let address = format!("redis://miller:{PASSWORD}@127.0.0.1:{}/3", redis.port());
    redis.command(&["ACL", "SETUSER", "default", "resetpass", ">other"]);
    let up = Up::start(&[("REDIS_URL", &address), ("LOG_LEVEL", "debug")]);
    let id = up.assert_completes_a_task();
    assert_eq!(consumers(&up.run_printed_line(&[("REDIS_URL", &address)])).len(), 2);
    redis.command(&["SELECT", "3"]);
    assert_eq!(redis.command(&["EXISTS", &format!("task:{id}")]).integer(), 1);
    redis.command(&["SELECT", "0"]);
    assert_eq!(redis.command(&["DBSIZE"]).integer(), 0);
    assert!(!up.directory.path().join(".millstream/redis-data").exists(), "no other Redis was started");

    let commands = up.process.mark().bearers();
    up.process.signal(Signal::INT);
    up.process.wait_exit(SOON);
    assert!(commands.len() > 4 && commands.iter().all(|(_, command)| !command.contains(PASSWORD)), "{commands:?}");
    assert_eq!(up.process.log().all(PASSWORD), [""; 0]);
    assert!(up.process.log().find("***@127.0.0.1").is_some(), "it says which Redis, masked");
}

#[test]
fn host_and_port_name_a_redis_as_well_as_an_address() {
    let redis = PrivateRedis::start().expect("a Redis of our own");
    let up = Up::start(&[("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &redis.port().to_string()), ("WORKERS", "1")]);
    let id = up.assert_completes_a_task();
    assert_eq!(redis.command(&["HGET", &format!("task:{id}"), "status"]).text(), "completed");
    up.process.signal(Signal::TERM);
    assert_eq!(up.process.wait_exit(Duration::from_secs(40)).code(), Some(0));
    assert_eq!(redis.command(&["PING"]).text(), "PONG", "a Redis that is not its own is left alone");
}
