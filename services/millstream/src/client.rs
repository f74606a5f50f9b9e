//! The API over HTTP: all that the client commands know of Millstream.

pub mod document;
pub mod letter;
mod problem;

pub use document::{Subtask, Task};

use crate::exit::{Exit, Failure};
use crate::settings::{ClientSettings, masked};
use anyhow::Context;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
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
pub struct Answer<T = Task> {
    /// The body, byte for byte.
    pub text: String,
    /// What it says.
    pub document: T,
}

impl Api {
    /// The API that the settings name; its address may have a path of its own.
    pub fn new(settings: &ClientSettings) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &settings.millstream_api_key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http =
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).default_headers(headers);
        Ok(Self { base: settings.millstream_url.clone(), http: http.build()? })
    }

    /// Submits a task; `body` is its JSON text, `key` the client's own for this request.
    pub async fn submit(&self, body: String, key: Option<&str>) -> Result<Answer, Failure> {
        let request = self.posted(&["tasks"], body);
        self.ask(match key {
            Some(key) => request.header("Idempotency-Key", quoted(key)?),
            None => request,
        })
        .await
    }

    /// A task as it stands.
    pub async fn task(&self, task_id: &str) -> Result<Answer, Failure> {
        self.ask(self.http.get(self.address(&["tasks", task_id]))).await
    }

    /// Cancels a task.
    pub async fn cancel(&self, task_id: &str) -> Result<Answer, Failure> {
        self.ask(self.http.post(self.address(&["tasks", task_id, "cancel"]))).await
    }

    /// Runs a task again; `body` is JSON text that says what of it.
    pub async fn replay(&self, task_id: &str, body: String) -> Result<Answer, Failure> {
        self.ask(self.posted(&["tasks", task_id, "replay"], body)).await
    }

    /// Any document below these segments of a path.
    pub async fn read<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
    ) -> Result<Answer<T>, Failure> {
        let mut address = self.address(segments);
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        self.ask(self.http.get(address)).await
    }

    /// What the API answers to a document posted below these segments of a path.
    pub async fn post<T: DeserializeOwned>(&self, segments: &[&str], body: String) -> Result<Answer<T>, Failure> {
        self.ask(self.posted(segments, body)).await
    }

    fn posted(&self, segments: &[&str], body: String) -> RequestBuilder {
        self.http.post(self.address(segments)).header("Content-Type", "application/json").body(body)
    }

    fn address(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The address for people, without user, password and query.
    fn shown(&self) -> String {
        masked(&SecretString::from(self.base.as_str()))
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Answer<T>, Failure> {
        let gone = |error: reqwest::Error| {
            let cause = problem::root_cause(&error);
            let base = self.shown();
            Failure::new(Exit::Unreachable, format!("{base} does not answer ({cause}); MILLSTREAM_URL names the API"))
        };
        let answer = request.send().await.map_err(gone)?;
        let status = answer.status();
        let text = answer.text().await.map_err(gone)?;
        if !status.is_success() {
            return Err(problem::failure(status, &text));
        }
        let strange = |_| Failure::new(Exit::Unreachable, format!("{} does not speak Millstream's API", self.shown()));
        Ok(Answer { document: serde_json::from_str(&text).map_err(strange)?, text })
    }
}

/// A Structured Field String (RFC 8941).
fn quoted(key: &str) -> Result<String, Failure> {
    if key.is_empty() || !key.chars().all(|char| matches!(char, ' '..='~')) {
        return Err(Failure::new(Exit::Usage, "--idempotency-key: 1 to 255 characters of ASCII are needed"));
    }
    Ok(format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
pub mod script;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_quoted_or_refused() {
        assert_eq!(quoted(r#"a "b" \"#).unwrap(), r#""a \"b\" \\""#);
        for key in ["", "ü", "a\nb"] {
            assert_eq!(quoted(key).unwrap_err().exit(), Exit::Usage, "{key}");
        }
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_the_address() {
        for (base, id, expect) in [
            ("http://h:1", "T", "http://h:1/tasks/T"),
            ("http://h:1/api/", "T", "http://h:1/api/tasks/T"),
            ("http://h:1", "../x?y#z", "http://h:1/tasks/..%2Fx%3Fy%23z"),
        ] {
            let settings = ClientSettings { millstream_url: base.parse().unwrap(), millstream_api_key: None };
            let api = Api::new(&settings).unwrap();
            assert_eq!(api.address(&["tasks", id]).as_str(), expect);
        }
    }
}
