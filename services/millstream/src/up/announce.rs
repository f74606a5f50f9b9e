//! What `up` tells a newcomer: what Redis promises, where everything is, and what to type next.

use super::output::Voice;
use super::redis::Redis;
use crate::private_redis::on_path;
use crate::settings::{self, ListenSettings, masked};
use secrecy::ExposeSecret;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);
const POLL_EVERY: Duration = Duration::from_millis(50);
const WORKERS_LINE: &str = "XINFO CONSUMERS subtasks:default:medium workers";

/// Says what an acknowledged submit survives with this Redis.
pub async fn promise(redis: &Redis, voice: &Voice) -> anyhow::Result<()> {
    let store = settings::connect(redis.url.clone(), PATIENCE)?;
    let state = if store.wait_connected(PATIENCE).await { store.server_state().await.ok() } else { None };
    store.close().await;
    let Some(state) = state else {
        voice.say(&format!("redis: {} does not answer yet; everything waits for it", masked(&redis.url)));
        return Ok(());
    };
    voice.say(&format!(
        "redis: {} is version {}, durability {}: {}",
        masked(&redis.url),
        state.version,
        state.durability.as_str(),
        state.durability.promise()
    ));
    if state.maxmemory_policy != "noeviction" {
        let policy = if state.maxmemory_policy.is_empty() { "unknown" } else { &state.maxmemory_policy };
        voice.say(&format!(
            "redis: its maxmemory-policy is {policy}; it must be noeviction, or work is lost at its limit"
        ));
    }
    if state.maxmemory == 0 {
        voice.say("redis: it has no maxmemory: nothing is refused before the machine has no memory left");
    }
    Ok(())
}

/// Waits until the API listens, then says where everything is.
pub async fn when_reachable(listen: &ListenSettings, redis: &Redis, voice: &Voice) {
    let url = listen.local_url();
    let place = url.trim_start_matches("http://");
    while tokio::net::TcpStream::connect(place).await.is_err() {
        tokio::time::sleep(POLL_EVERY).await;
    }
    voice.say(&format!("API        {url}"));
    voice.say(&format!("Swagger UI {url}/docs"));
    voice.say(&format!("ReDoc      {url}/redoc"));
    voice.say(&format!("workers    {}", redis_cli_line(redis)));
    voice.say("Ctrl-C stops everything");
}

/// A line that shows the workers and works when it is copied.
fn redis_cli_line(redis: &Redis) -> String {
    let secret = redis.url.expose_secret().contains(['@', '?']);
    if on_path(Path::new("redis-cli")).is_some() && !secret {
        return match redis.private_port {
            Some(port) => format!("redis-cli -p {port} {WORKERS_LINE}"),
            None => format!("redis-cli -u {} {WORKERS_LINE}", redis.url.expose_secret()),
        };
    }
    let program = std::env::current_exe().unwrap_or_else(|_| "millstream".into());
    let here = std::env::current_dir().unwrap_or_default();
    let program = match program.strip_prefix(&here) {
        Ok(inside) => inside.to_owned(),
        Err(_) if on_path(Path::new("millstream")).is_some() => "millstream".into(),
        Err(_) => program,
    };
    format!("{} redis-cli {WORKERS_LINE}", program.display())
}
