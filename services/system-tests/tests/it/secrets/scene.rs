//! An installation that says all it can, what is secret in it, and what it has told.

use super::canary::{Canary, Told};
use crate::collector::Collector;
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::PathBuf;
use system_tests::client::{Answer, Client};
use system_tests::process::Process;
use system_tests::receiver::Receiver;
use system_tests::stack::{Plan, SOON, Stack, free_port};

/// Everything, also of the libraries that are quiet otherwise.
pub(super) const LEVEL: &str = "trace,fred=trace,poem=trace,reqwest=trace,hyper=trace,hyper_util=trace,opentelemetry=trace,\
                     opentelemetry_sdk=trace";
pub(super) const REDIS_PASSWORD: &str = "c4n4ry-password-of-redis";
pub(super) const JWT_SECRET: &str = "c4n4ry-secret-of-tokens-in-forty-bytes-x";
pub(super) const COLLECTOR_KEY: &str = "c4n4ry-key-of-the-collector";
pub(super) const URL_TOKEN: &str = "c4n4ry-token-of-an-endpoint";
pub(super) const BASIC: &str = "bWlsbGVyOmM0bjRyeQ"; // miller:c4n4ry
pub(super) const IDEMPOTENCY_KEY: &str = "c4n4ry-key-of-a-request";

/// An installation that says all it can, and everything that was ever secret in it.
pub struct Scene {
    pub stack: Stack,
    pub worker_log: PathBuf,
    pub ports: [u16; 2],
    pub admin: Client,
    pub keys: Vec<String>,
    pub tokens: [String; 2],
    pub webhooks: Vec<String>,
    pub told: Told,
}

impl Scene {
    pub fn start(receiver: &Receiver, collector: &Collector, nobody: &str) -> Self {
        let ports = [free_port(), free_port()];
        let mut stack = Plan::workers(0)
            .durable()
            .redis(&["--requirepass", REDIS_PASSWORD])
            .set("LOG_LEVEL", LEVEL)
            .set("AUTH", "keys,jwt")
            .set("JWT_SECRET", JWT_SECRET)
            .set("OTLP_ENDPOINT", collector.endpoint())
            .set("OTEL_EXPORTER_OTLP_HEADERS", format!("x-collector-key={COLLECTOR_KEY}"))
            .set("WEBHOOK_ALLOW", format!("{},{nobody}", receiver.address()))
            .set("METRICS_PORT", ports[0])
            .start();
        let worker_log = stack.directory().join("worker.log");
        let mut settings = stack.settings().clone();
        for (name, value) in [
            ("METRICS_PORT", ports[1].to_string()),
            ("LOG_FORMAT", "json".to_owned()),
            ("LOG_FILE", worker_log.display().to_string()),
            ("HEALTH_DIR", stack.directory().join("health-worker").display().to_string()),
        ] {
            settings.insert(name.to_owned(), value);
        }
        stack.workers.push(Process::start("worker", &["worker"], &settings, stack.directory()));
        let made = stack.run(&["keys", "create", "admin", "--scope", "admin"]);
        let key = made.out.trim().to_owned();
        let admin = stack.client.bearing(&key);
        let now = get_current_timestamp();
        let tokens = [now + 600, now - 600].map(|exp| token(JWT_SECRET, exp));
        Self { stack, worker_log, ports, admin, keys: vec![key], tokens, webhooks: Vec::new(), told: Told::default() }
    }

    /// Asks, and keeps the answer with what was told.
    pub fn ask(
        &mut self,
        client: &Client,
        request: (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> u16 {
        let Answer { status, headers, body, .. } = client.send(request.0, request.1, headers, body);
        self.told.add(&format!("the answer {status} to {}", request.0), format!("{headers:?}\n{body}"));
        status
    }

    pub fn ask_as_admin(&mut self, method: &str, path: &str, body: Option<&Value>) -> u16 {
        let admin = self.admin.clone();
        self.ask(&admin, (method, path), &[], body)
    }

    pub fn run(&mut self, arguments: &[&str]) {
        let finished = self.stack.run(arguments);
        self.told.add_command(&arguments.join(" "), &finished);
    }

    /// Stops everything, so that the last word of each is told too.
    pub fn end(&mut self) {
        self.told.add_redis(&self.stack);
        for process in [&self.stack.orchestrator].into_iter().chain(&self.stack.workers).chain(&self.stack.projectors) {
            process.signal(Signal::TERM);
        }
        for (name, all) in [("the worker", &self.stack.workers), ("a projector", &self.stack.projectors)] {
            for process in all {
                process.wait_exit(SOON);
                self.told.add_log(name, process);
            }
        }
        self.stack.orchestrator.wait_exit(SOON);
        self.told.add_log("the orchestrator", &self.stack.orchestrator);
        for line in std::fs::read_to_string(&self.worker_log).expect("the worker's log").lines() {
            self.told.add("the worker's file", line);
        }
        let log = std::fs::read_to_string(self.stack.redis.directory().join("redis.log")).expect("the log of Redis");
        self.told.add("the log of Redis", log);
    }

    pub fn canaries(&self) -> Vec<Canary> {
        let mut canaries = vec![
            Canary::new("password of Redis", REDIS_PASSWORD),
            Canary::new("secret of tokens", JWT_SECRET),
            Canary::new("key of the collector", COLLECTOR_KEY),
            Canary::new("password of a stranger", BASIC),
            Canary::kept_in("token in a URL", URL_TOKEN, &["webhooks"]),
            Canary::kept_in("key of a request", IDEMPOTENCY_KEY, &["idempotency:"]),
        ];
        let secret = |key: &String| Canary::new("key of the API", key.rsplit('_').next().expect("a secret"));
        canaries.extend(self.keys.iter().map(secret));
        let signature = |token: &String| Canary::new("token", token.rsplit('.').next().expect("a signature"));
        canaries.extend(self.tokens.iter().map(signature));
        let bare = |secret: &String| {
            Canary::kept_in("secret of a webhook", secret.strip_prefix("whsec_").expect("a prefix"), &["webhooks"])
        };
        canaries.extend(self.webhooks.iter().map(bare));
        canaries
    }
}

/// A token that this secret signs.
pub fn token(secret: &str, exp: u64) -> String {
    let claims = json!({ "sub": "me", "aud": "millstream", "exp": exp, "scope": "admin" });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a token")
}
