//! A Redis of our own: found, started on a port of 127.0.0.1, proved by its pid to be ours.
//!
//! It is started through a hidden sub-command of this program, which asks the kernel to end it with its parent and
//! then becomes the server.

use crate::exit::{Exit, Failure};
use crate::parent;
use crate::process::Spec;
use crate::resp::{Connection, Reply};
use anyhow::Context;
use clap::Args;
use rustix::process::Signal;
use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Child;

/// The hidden sub-command's name.
const SUB_COMMAND: &str = "private-redis";
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
const READY_WITHIN: Duration = Duration::from_secs(20);
const POLL_EVERY: Duration = Duration::from_millis(10);

/// Become a Redis server that ends with its parent
#[derive(Debug, Args)]
pub struct PrivateRedis {
    program: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

impl PrivateRedis {
    /// Does not return unless the program cannot be started.
    pub fn run(self) -> anyhow::Result<Exit> {
        parent::die_with_it(Signal::TERM)?;
        let error = std::process::Command::new(&self.program).args(&self.args).exec();
        Err(error).with_context(|| format!("REDIS_SERVER_BIN: cannot start {}", self.program.display()))
    }
}

/// What an acknowledged write of a private Redis survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing.
    Off,
    /// Process death and power loss.
    AofAlways,
}

/// How to start a server with its data in `folder` that uses at most so many MB, or as much as there is.
pub fn spec(
    program: &Path,
    port: u16,
    folder: &Path,
    persistence: Persistence,
    maxmemory_mb: Option<u32>,
) -> anyhow::Result<Spec> {
    let folder = std::path::absolute(folder)?;
    let mut args: Vec<OsString> = vec![SUB_COMMAND.into(), program.into()];
    args.extend(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"].map(OsString::from));
    args.push(folder.into());
    let aof = if persistence == Persistence::AofAlways { "yes" } else { "no" };
    args.extend(["--appendonly", aof, "--appendfsync", "always", "--save", ""].map(OsString::from));
    args.extend(["--maxmemory-policy", "noeviction", "--daemonize", "no"].map(OsString::from));
    args.extend(["--loglevel", "warning", "--always-show-logo", "no"].map(OsString::from));
    args.extend(["--maxmemory".into(), format!("{}mb", maxmemory_mb.unwrap_or(0)).into()]);
    let program = std::env::current_exe().context("finding this program")?;
    Ok(Spec { name: "redis".to_owned(), program, args, env: Vec::new() })
}

/// The server program: the one given, else the first on the PATH.
pub fn find_program(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(program) = given {
        let found = program.is_file() || (program.components().count() == 1 && on_path(program).is_some());
        let why = || format!("there is no program {}", program.display());
        return found.then(|| program.to_owned()).ok_or_else(|| Failure::setting("REDIS_SERVER_BIN", why()));
    }
    PROGRAMS.iter().find_map(|name| on_path(Path::new(name))).ok_or_else(|| {
        let why = "no redis-server and no valkey-server on the PATH: `make up` gets one, or install redis-server 6.2 \
                   or newer, or set REDIS_SERVER_BIN to one, or REDIS_URL to a Redis that runs";
        Failure::new(Exit::Unreachable, why)
    })
}

/// Where `program` lies on the PATH.
pub fn on_path(program: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// `wanted` if it is free, else another port that is.
pub fn free_port(wanted: Option<u16>) -> anyhow::Result<u16> {
    if let Some(port) = wanted
        && TcpListener::bind(("127.0.0.1", port)).is_ok()
    {
        return Ok(port);
    }
    Ok(TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .context("finding a free port")?
        .port())
}

/// Waits until the server on `port` has proved that it is `child`. Fails if the child ends, as it does when another
/// process was faster to take the port.
pub async fn prove(child: &mut Child, port: u16) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("redis ended at its start: {status}");
        }
        if let (Some(pid), Ok(answering)) = (child.id(), process_on(port))
            && pid == answering
        {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "redis did not answer on port {port}");
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// The process that answers on `port` of this host; it says so also while it loads its data.
fn process_on(port: u16) -> anyhow::Result<u32> {
    let mut connection = Connection::open("127.0.0.1", port, Duration::from_secs(1))?;
    let Reply::Bulk(info) = connection.command(&["INFO", "server"])? else { anyhow::bail!("no INFO") };
    let info = String::from_utf8_lossy(&info);
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).context("no process_id")?;
    Ok(pid.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_chosen() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(Some(port)).unwrap(), port);
        drop(taken);
        assert_eq!(free_port(Some(port)).unwrap(), port);
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_setting() {
        let message = find_program(Some(Path::new("/nowhere/redis-server"))).unwrap_err().to_string();
        assert!(message.starts_with("REDIS_SERVER_BIN: "), "{message}");
    }
}
