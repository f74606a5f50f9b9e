//! The API over HTTP: all that the client commands know of Millstream.

pub mod document;
mod problem;

pub use document::{Subtask, Task};

use crate::exit::{Exit, Failure};
use anyhow::Context;
use reqwest::{RequestBuilder, StatusCode, Url};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);

/// A runtime for one command.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")
}

/// Runs a command until it is done or Ctrl-C ends it.
pub fn run(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    runtime()?.block_on(async {
        tokio::select! {
            done = command => done,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        }
    })
}

/// The status that `url` answers within `timeout`.
pub async fn probe(url: &str, timeout: Duration) -> anyhow::Result<StatusCode> {
    let client = reqwest::Client::builder().timeout(timeout).no_proxy().build()?;
    let answer = client.get(url).send().await.with_context(|| format!("{url} does not answer"))?;
    Ok(answer.status())
}

/// The API at one address.
pub struct Api {
    base: Url,
    http: reqwest::Client,
}

/// A document as it came, and what we read of it.
pub struct Answer {
    /// The body, byte for byte.
    pub text: String,
    /// The task that it tells of.
    pub task: Task,
}

impl Api {
    /// The API at `base`, which may have a path of its own.
    pub fn new(base: &Url) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build()?;
        Ok(Self { base: base.clone(), http })
    }

    /// Submits a task; `body` is its JSON text.
    pub async fn submit(&self, body: String) -> Result<Answer, Failure> {
        let request = self.http.post(self.address(&["tasks"])).header("Content-Type", "application/json");
        self.ask(request.body(body)).await
    }

    /// A task as it stands.
    pub async fn task(&self, task_id: &str) -> Result<Answer, Failure> {
        self.ask(self.http.get(self.address(&["tasks", task_id]))).await
    }

    fn address(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let gone = |error: reqwest::Error| {
            let cause = problem::root_cause(&error);
            let base = &self.base;
            Failure::new(Exit::Unreachable, format!("{base} does not answer ({cause}); MILLSTREAM_URL names the API"))
        };
        let answer = request.send().await.map_err(gone)?;
        let status = answer.status();
        let text = answer.text().await.map_err(gone)?;
        if !status.is_success() {
            return Err(problem::failure(status, &text));
        }
        let strange = |_| Failure::new(Exit::Unreachable, format!("{} does not speak Millstream's API", self.base));
        Ok(Answer { task: serde_json::from_str(&text).map_err(strange)?, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_the_address() {
        for (base, id, expect) in [
            ("http://h:1", "T", "http://h:1/tasks/T"),
            ("http://h:1/api/", "T", "http://h:1/api/tasks/T"),
            ("http://h:1", "../x?y#z", "http://h:1/tasks/..%2Fx%3Fy%23z"),
        ] {
            let api = Api::new(&base.parse().unwrap()).unwrap();
            assert_eq!(api.address(&["tasks", id]).as_str(), expect);
        }
    }
}
