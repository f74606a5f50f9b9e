//! The file that says a role is healthy: touched each second, but only while its loops turn.

use anyhow::Context;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use telemetry::Pulse;

/// A pulse, and then a file, older than this is not healthy.
pub const AGE_MAX: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_secs(1);

/// Touches `file` while `pulse` beats; never ends. A file that cannot be written is logged once.
pub async fn show(file: PathBuf, pulse: Pulse) {
    let mut was_written = true;
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        if pulse.age() >= AGE_MAX {
            continue;
        }
        let written = touch(&file).await;
        if let Err(error) = &written
            && was_written
        {
            tracing::warn!("{error:#}; set HEALTH_DIR to a folder that can be written");
        }
        was_written = written.is_ok();
    }
}

async fn touch(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    tokio::fs::create_dir_all(folder).await.with_context(|| format!("cannot make {}", folder.display()))?;
    tokio::fs::write(file, b"healthy\n").await.with_context(|| format!("cannot write {}", file.display()))
}

/// Time since `file` was touched, or `None` if there is none.
pub fn age(file: &Path) -> Option<Duration> {
    let touched = std::fs::metadata(file).and_then(|data| data.modified()).ok()?;
    Some(SystemTime::now().duration_since(touched).unwrap_or_default())
}
