//! What every test stands on: a Redis and a server of its own, and a client.

use crate::contract;
use orchestrator::{Config, Server};
use proto_schemas::{ConsumerName, Fact, FactKind, QueueName, TaskId};
use redis_store::bury::{Burial, Buried, Owner};
use redis_store::fetch::Fetched;
use redis_store::retry::{Retried, Retry};
use redis_store::settle::{Settled, Settlement};
use redis_store::{RedisConfig, Store, Stream};
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub struct Stage {
    pub redis: PrivateRedis,
    pub store: Store,
    pub base: String,
    pub shutdown: CancellationToken,
    pub server: JoinHandle<()>,
    client: reqwest::Client,
}

/// An answer, read completely.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

const TTL: Duration = Duration::from_secs(604_800);

pub fn config() -> Config {
    Config { port: 0, shutdown_grace: Duration::from_secs(5), ..Config::default() }
}

pub async fn stage() -> Stage {
    stage_of(config()).await
}

/// A server of these settings on a Redis that runs.
pub async fn stage_of(config: Config) -> Stage {
    let stage = stage_on(PrivateRedis::start().expect("a redis of our own"), config).await;
    assert!(stage.store.wait_connected(Duration::from_secs(5)).await);
    // The service makes them too, a moment later: what a request leaves is looked at beside nothing else.
    stage.store.create_worker_groups(&QueueName::default_queue()).await.expect("groups");
    stage
}

/// A server on this Redis, whether or not it runs.
pub async fn stage_on(redis: PrivateRedis, config: Config) -> Stage {
    stage_with(redis, config, Duration::from_secs(2)).await
}

/// The same with another patience of the store.
pub async fn stage_with(redis: PrivateRedis, config: Config, patience: Duration) -> Stage {
    let store = Store::connect(&RedisConfig { url: redis.url().into(), patience }).expect("a valid address");
    let server = Server::bind(config).await.expect("a free port");
    let base = format!("http://{}", server.address());
    let shutdown = CancellationToken::new();
    let running = server.run(store.clone(), shutdown.clone());
    let server = tokio::spawn(async move { running.await.expect("serves until told to stop") });
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
    Stage { redis, store, base, shutdown, server, client }
}

impl Stage {
    pub async fn get(&self, path: &str) -> Answer {
        let answer = Answer::of(self.client.get(format!("{}{path}", self.base))).await;
        contract::hold("GET", path, &answer);
        answer
    }

    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.into()).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: reqwest::Body) -> Answer {
        let verb = method.parse().expect("a method");
        let request = self.client.request(verb, format!("{}{path}", self.base)).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = Answer::of(request).await;
        contract::hold(method, path, &answer);
        answer
    }

    /// Posts a document with an Idempotency-Key as it stands.
    pub async fn post_with_key(&self, path: &str, key: &str, body: &str) -> Answer {
        let headers = &[("content-type", "application/json"), ("idempotency-key", key)];
        self.send("POST", path, headers, body.to_owned().into()).await
    }

    /// A task as it stands.
    pub async fn task(&self, id: &str) -> Value {
        self.get(&format!("/tasks/{id}")).await.json()
    }

    /// The words of its subtasks, by index.
    pub async fn statuses(&self, id: &str) -> Vec<String> {
        let task = self.task(id).await;
        let subtasks = task["subtasks"].as_array().expect("a list");
        subtasks.iter().map(|it| it["status"].as_str().expect("a word").to_owned()).collect()
    }

    /// Submits and answers the id.
    pub async fn submit(&self, body: &str) -> String {
        let answer = self.post("/tasks", body.to_owned()).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["task_id"].as_str().expect("an id").to_owned()
    }

    /// What a refused request must leave as it was: the number of keys, and every stream's length. `meta` and `audit`
    /// are left out: the governor writes the one when it likes, and the other one tells of refusals.
    pub fn footprint(&self) -> Vec<i64> {
        let streams = Stream::of(&QueueName::default_queue()).map(|stream| stream.key());
        let lengths = streams.iter().map(String::as_str).chain(["events", "dead-letters"]);
        let count = |key| self.redis.command(&["XLEN", key]).integer();
        let script = "return redis.call('DBSIZE') - redis.call('EXISTS', 'meta', 'audit')";
        let keys = self.redis.command(&["EVAL", script, "0"]).integer();
        std::iter::once(keys).chain(lengths.map(count)).collect()
    }

    /// The same to the last byte.
    pub fn digest(&self) -> String {
        self.redis.digest(&["audit", "meta"])
    }

    /// A field of a task's hash, as redis-cli would show it.
    pub fn hash_field(&self, task_id: &str, field: &str) -> String {
        self.redis.command(&["HGET", &format!("task:{task_id}"), field]).text()
    }
}

/// A worker and a projector, by hand.
impl Stage {
    pub async fn fetch(&self, count: usize) -> Vec<Fetched> {
        let queue = QueueName::default_queue();
        self.store.create_worker_groups(&queue).await.expect("groups");
        self.store.create_projector_group().await.expect("a group");
        self.store.fetch(&worker(), &Stream::of(&queue), count).await.expect("entries")
    }

    pub async fn start(&self, fetched: &Fetched) {
        self.store.start(&worker(), &[fact(fetched, FactKind::Started)]).await.expect("a fact");
    }

    /// Ends an attempt; `result` is the JSON under `result:<subtask_id>`.
    pub async fn settle(&self, fetched: &Fetched, kind: FactKind, result: Option<&str>) {
        let entry = fetched.entry.as_ref().expect("a sound entry");
        let settlement = Settlement {
            stream: fetched.stream.clone(),
            entry_id: fetched.entry_id.clone(),
            subtask_id: entry.subtask_id.clone(),
            fact: fact(fetched, kind),
            result: result.map(str::to_owned),
            result_ttl: Duration::from_secs(60),
        };
        assert_eq!(self.store.settle(&worker(), &[settlement]).await.expect("an answer"), [Settled::Recorded]);
    }

    /// Ends an attempt well, with this output.
    pub async fn complete(&self, fetched: &Fetched, output: &str) {
        let entry = fetched.entry.as_ref().expect("a sound entry");
        let result = format!(
            r#"{{"subtask_id":"{}","task_id":"{}","status":"completed","worker_id":"worker-1","completed_at":"2026-01-01T00:00:00Z","description":"d","output":{output}}}"#,
            entry.subtask_id, entry.task_id
        );
        self.settle(fetched, FactKind::Completed, Some(&result)).await;
    }

    /// Gives an attempt up: its entry is a dead letter, whose id is answered.
    pub async fn bury(&self, fetched: &Fetched, reason: &str) -> String {
        let entry = fetched.entry.as_ref().ok();
        let owner = entry.map(|entry| Owner {
            task_id: entry.task_id.clone(),
            subtask_id: entry.subtask_id.clone(),
            result: None,
            result_ttl: Duration::from_secs(60),
        });
        let burial = Burial {
            stream: fetched.stream.clone(),
            entry_id: fetched.entry_id.clone(),
            owner,
            reason: reason.parse().expect("a reason"),
            error: format!("it is {reason}"),
        };
        assert_eq!(self.store.bury(&worker(), &[burial]).await.expect("an answer"), [Buried::Buried]);
        self.newest_letter()
    }

    /// Schedules the next attempt.
    pub async fn retry(&self, fetched: &Fetched, delay: Duration) {
        let entry = fetched.entry.as_ref().expect("a sound entry");
        let retry = Retry {
            stream: fetched.stream.clone(),
            entry_id: fetched.entry_id.clone(),
            task_id: entry.task_id.clone(),
            delay,
            reason: "broken".parse().expect("a reason"),
        };
        assert_eq!(self.store.retry(&worker(), &[retry]).await.expect("an answer"), [Retried::Scheduled]);
    }

    pub fn newest_letter(&self) -> String {
        let newest = self.redis.command(&["XREVRANGE", "dead-letters", "+", "-", "COUNT", "1"]);
        newest.items()[0].items()[0].text()
    }

    /// Lets all that waits complete and folds it, until nothing waits.
    pub async fn work(&self) {
        loop {
            self.fold().await;
            let entries = self.fetch(1_000).await;
            if entries.is_empty() {
                return;
            }
            for entry in &entries {
                self.complete(entry, "1").await;
            }
        }
    }

    pub async fn promote(&self) {
        self.store.promote(&worker()).await.expect("counts");
    }

    pub async fn fold(&self) {
        self.store.create_projector_group().await.expect("a group");
        let events = self.store.read_events(&worker(), 1_000, Duration::from_millis(50)).await.expect("events");
        self.store.fold(&worker(), TTL, &events).await.expect("counts");
    }
}

pub fn worker() -> ConsumerName {
    ConsumerName::new("worker-1:a@host").expect("a name")
}

fn fact(fetched: &Fetched, kind: FactKind) -> Fact {
    let entry = fetched.entry.as_ref().expect("a sound entry");
    let reason = (kind == FactKind::Failed).then(|| "broken".parse().expect("a reason"));
    Fact {
        task_id: entry.task_id.clone(),
        index: Some(entry.index),
        last: None,
        generation: entry.generation,
        kind,
        attempt: entry.attempt,
        crashes: entry.crashes,
        worker: worker(),
        at_ms: 0,
        reason,
    }
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body") }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A problem document with everything that one must have; answers it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code, "{problem}");
        let sort = match code {
            "quota_exceeded" => "https://iana.org/assignments/http-problem-types#quota-exceeded".to_owned(),
            "overloaded" => "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity".to_owned(),
            code => format!("urn:problem-type:millstream:{code}"),
        };
        assert_eq!(problem["type"], sort);
        let policies = if code == "quota_exceeded" { serde_json::json!(["default"]) } else { Value::Null };
        assert_eq!(problem["violated-policies"], policies);
        for field in ["title", "detail", "instance"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {problem}");
        }
        let request_id = self.header("x-request-id");
        assert!(request_id.len() == 26 && TaskId::new(request_id).is_ok());
        assert_eq!(problem["request_id"], request_id);
        problem
    }
}

/// Asks until it holds; panics after `deadline`.
pub async fn eventually<F: Future<Output = bool>>(deadline: Duration, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + deadline;
    while !holds().await {
        assert!(Instant::now() < end, "did not hold within {deadline:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
