//! The real orchestrator on a Redis of its own, and what strangers left in either.

use super::exchange::{Answer, get, post, send};
use serde_json::Value;
use system_tests::process::{Process, Settings};
use system_tests::redis::PrivateRedis;
use system_tests::stack::{SOON, free_port};

/// What is written whatever a request asks for: who was refused, and the state of the server.
const WRITTEN_ANYWAY: [&str; 2] = ["audit", "meta"];

pub struct Api {
    pub redis: PrivateRedis,
    pub port: u16,
    process: Process,
    _directory: tempfile::TempDir,
}

impl Api {
    /// One that has something to count.
    pub fn start() -> Self {
        let redis = PrivateRedis::start().expect("a redis");
        let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
        // The allocator keeps what is free unless it is told otherwise, and that would hide what leaks.
        let purge = ("MIMALLOC_PURGE_DELAY", "0".to_owned());
        let settings: Settings = [("ORCHESTRATOR_PORT", port.to_string()), ("REDIS_URL", redis.url()), purge]
            .map(|(name, it)| (name.to_owned(), it))
            .into();
        let process = Process::start("orchestrator", &["orchestrator"], &settings, directory.path());
        process.wait_line(SOON, "redis: ");
        let api = Self { redis, port, process, _directory: directory };
        let answer = api.post("/tasks", br#"{"description":"something to count"}"#);
        assert_eq!(answer.status, 202, "{}", answer.body);
        api
    }

    pub fn send(&self, bytes: &[u8]) -> Answer {
        send(self.port, bytes)
    }

    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.send(&post(path, body))
    }

    /// The next good request is answered.
    pub fn check_good(&self, after: &str) {
        assert_eq!(self.send(&get("/health")).status, 200, "after {after}");
    }

    /// A field of a task's hash, as it lies there.
    pub fn stored(&self, task_id: &str, field: &str) -> String {
        self.redis.command(&["HGET", &format!("task:{task_id}"), field]).text()
    }

    /// Of everything that is stored.
    pub fn digest(&self) -> String {
        self.redis.digest(&WRITTEN_ANYWAY)
    }

    /// What the process takes of the machine's memory for itself; pages of its program are not counted.
    pub fn own_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("its memory");
        1_024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    }

    /// How many files it has open, connections among them.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.pid())).expect("it lives").count()
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {} {}", self.head, self.body))
    }

    /// The id of the task that was accepted.
    pub fn task_id(&self) -> String {
        self.json()["task_id"].as_str().expect("an id").to_owned()
    }

    /// A problem document of this status and code.
    pub fn check_problem(&self, status: u64, code: &str, what: &str) {
        assert_eq!(u64::from(self.status), status, "{what}: {} {}", self.head, self.body);
        let head = self.head.to_lowercase();
        assert!(head.contains("content-type: application/problem+json"), "{what}: {head}");
        assert!(head.contains("x-request-id: "), "{what}: {head}");
        let problem = self.json();
        assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some(code), Some(status)), "{what}");
    }
}
