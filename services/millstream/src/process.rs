//! A process that this one starts and that dies with it.

use crate::parent;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// What to start, any number of times.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What people call it.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What it finds in its environment beside what we have there.
    pub env: Vec<(OsString, OsString)>,
}

impl Spec {
    /// The command, with no input, in a process group of its own so that Ctrl-C reaches only us. Must be spawned from
    /// the main thread.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let (variable, value) = parent::variable();
        command.args(&self.args).envs(self.env.iter().cloned()).env(variable, value);
        command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        command
    }
}

/// Asks `child` by SIGTERM to end, waits for `patience` or until `hurry` is done, then kills it.
pub async fn end(child: &mut Child, patience: Duration, hurry: impl Future<Output = ()>) {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(pid) = pid {
        // Not reaped yet, so the pid is still this child's.
        let _ = kill_process(pid, Signal::TERM);
    }
    tokio::select! {
        _ = child.wait() => return,
        _ = tokio::time::sleep(patience) => {}
        _ = hurry => {}
    }
    let _ = child.kill().await;
}
