//! The API over HTTP, for the client commands and the health check.

use anyhow::Context;
use reqwest::StatusCode;
use std::time::Duration;

/// A runtime for one command.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")
}

/// The status that `url` answers within `timeout`.
pub async fn probe(url: &str, timeout: Duration) -> anyhow::Result<StatusCode> {
    let client = reqwest::Client::builder().timeout(timeout).no_proxy().build()?;
    let answer = client.get(url).send().await.with_context(|| format!("{url} does not answer"))?;
    Ok(answer.status())
}
