//! A client of the feed, and a second server beside the one of the stage.

use crate::stage::{Stage, config};
use orchestrator::{Config, Server};
use reqwest::Response;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Whatever is told is told within this.
const SOON: Duration = Duration::from_secs(20);

/// A message as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Option<String>,
    pub name: String,
    pub data: Value,
}

/// An open stream.
pub struct Follower {
    pub response: Response,
    /// What a browser would send as Last-Event-ID.
    pub last_id: Option<String>,
    /// Blocks that were no messages.
    pub comments: usize,
    text: String,
    events: VecDeque<Event>,
}

impl Follower {
    /// Opens the stream at `path` of the server at `base`; `after` goes into the header.
    pub async fn open(base: &str, path: &str, after: Option<&str>) -> Self {
        let response = connect(base, path, after).await;
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("content-type"), Some("text/event-stream"));
        assert_eq!((header("cache-control"), header("x-accel-buffering")), (Some("no-store"), Some("no")));
        let (last_id, events) = (after.map(str::to_owned), VecDeque::new());
        Self { response, last_id, comments: 0, text: String::new(), events }
    }

    /// The next message, or `None` at the end; it comes soon, however often the connection shows that it lives.
    pub async fn next(&mut self) -> Option<Event> {
        timeout(SOON, self.wait()).await.expect("a message or the end comes soon")
    }

    async fn wait(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Reads what comes next; `false` at the end.
    pub async fn read(&mut self) -> bool {
        let chunk = timeout(SOON, self.response.chunk()).await.expect("something is told soon");
        let Ok(Some(chunk)) = chunk else { return false };
        self.text.push_str(std::str::from_utf8(&chunk).expect("text"));
        while let Some(end) = self.text.find("\n\n") {
            let block: String = self.text.drain(..end + 2).collect();
            self.take(block.trim_end());
        }
        true
    }

    /// A message that has come already.
    pub fn waiting(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Messages up to the one that is called so.
    pub async fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("it ended before {name}: {events:?}"));
            events.push(event);
            if events.last().is_some_and(|event| event.name == name) {
                return events;
            }
        }
    }

    /// Messages up to the end.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    fn take(&mut self, block: &str) {
        let part = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let id = part("id: ");
        if id.is_some() {
            self.last_id.clone_from(&id);
        }
        match part("event: ") {
            Some(name) => {
                let data = serde_json::from_str(&part("data: ").expect("data")).expect("JSON");
                self.events.push_back(Event { id, name, data });
            }
            None => self.comments += usize::from(part(": ").is_some()),
        }
    }
}

/// The feed of a task, from now on.
pub async fn follow(stage: &Stage, task_id: &str) -> Follower {
    Follower::open(&stage.base, &format!("/tasks/{task_id}/events"), None).await
}

/// The answer to whoever wants to follow.
pub async fn connect(base: &str, path: &str, after: Option<&str>) -> Response {
    let request = reqwest::Client::new().get(format!("{base}{path}"));
    let request = after.into_iter().fold(request, |request, id| request.header("last-event-id", id));
    request.send().await.expect("an answer")
}

/// The names of messages.
pub fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// The ids of messages.
pub fn ids(events: &[Event]) -> Vec<String> {
    events.iter().filter_map(|event| event.id.clone()).collect()
}

/// The place of every line of the log, of this task or of all.
pub async fn places(stage: &Stage, task_id: Option<&str>) -> Vec<String> {
    let entries = stage.store.log_page("-", "+", 100_000).await.expect("the log");
    let mut places = Vec::new();
    for entry in &entries {
        for (number, line) in entry.lines().enumerate() {
            if task_id.is_none_or(|task_id| line.starts_with(format!("{task_id} ").as_bytes())) {
                places.push(format!("{}.{number}", entry.entry_id));
            }
        }
    }
    places
}

/// Writes lines into the log as one entry, as a script would.
pub fn tell(stage: &Stage, lines: &[String]) {
    stage.redis.command(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", &lines.join("\n")]);
}

/// Another server on the Redis of a stage.
pub struct Second {
    pub base: String,
    pub shutdown: CancellationToken,
    pub server: JoinHandle<()>,
}

pub async fn second(stage: &Stage) -> Second {
    second_with(stage, config()).await
}

pub async fn second_with(stage: &Stage, config: Config) -> Second {
    let server = Server::bind(config).await.expect("a free port");
    let base = format!("http://{}", server.address());
    let shutdown = CancellationToken::new();
    let running = server.run(stage.store.connect_again(), shutdown.clone());
    let server = tokio::spawn(async move { running.await.expect("serves until told to stop") });
    Second { base, shutdown, server }
}
