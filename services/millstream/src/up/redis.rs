//! The Redis of `up`: the one that the settings name, or one of its own.

use super::keeper::{self, Keeper};
use super::lock;
use super::output::Voice;
use crate::private_redis::{self, Persistence};
use crate::settings::plain_url;
use anyhow::Context;
use secrecy::SecretString;
use std::path::Path;
use tokio::task::JoinHandle;

/// Another process may take a port between our looking and our starting.
const TRIES: usize = 3;

/// Where it is, and who keeps it alive.
pub struct Redis {
    /// The address for every child.
    pub url: SecretString,
    /// The port of one of our own.
    pub private_port: Option<u16>,
    keeper: Option<JoinHandle<()>>,
}

impl Redis {
    /// Somebody else's.
    pub fn given(url: SecretString) -> Self {
        Self { url, private_port: None, keeper: None }
    }

    /// Whether it is ours.
    pub fn is_private(&self) -> bool {
        self.private_port.is_some()
    }

    /// Waits until one of our own has ended.
    pub async fn ended(self) {
        if let Some(keeper) = self.keeper {
            let _ = keeper.await;
        }
    }
}

/// Starts one of our own, on `wanted` if that port is free, and says where it is.
pub async fn start_private(
    program: &Path,
    wanted: u16,
    maxmemory_mb: u32,
    keeper: Keeper,
    up: &Voice,
) -> anyhow::Result<Redis> {
    let folder = Path::new(lock::FOLDER).join("redis-data");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let voice = Voice::new("redis", 1);
    let mut try_wanted = Some(wanted);
    let mut failed = None;
    for _ in 0..TRIES {
        let port = private_redis::free_port(try_wanted.take())?;
        let spec = private_redis::spec(program, port, &folder, Persistence::AofAlways, Some(maxmemory_mb))?;
        let mut running = keeper::start(&spec, &voice).context("starting redis")?;
        match private_redis::prove(&mut running.child, port).await {
            Ok(()) => {
                let why = if port == wanted { String::new() } else { format!(", because {wanted} is taken") };
                up.say(&format!(
                    "redis: {} on port {port}{why}; its data is in {}",
                    program.display(),
                    folder.display()
                ));
                let url = plain_url("127.0.0.1", port);
                let keeper = tokio::spawn(keeper.keep(spec, voice, Some(running)));
                return Ok(Redis { url, private_port: Some(port), keeper: Some(keeper) });
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| anyhow::anyhow!("redis was not started")))
}
