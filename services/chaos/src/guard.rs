//! Sees to it that nothing outlives the harness: a shell that leads a process group of its own and reads from a pipe
//! held by this process. Every process is started into that group; whichever way the harness ends, the pipe closes and
//! the shell ends its group, stopped processes included.

use crate::error::{ChaosError, io};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// The leader of the group; dropping it ends the group.
pub struct Guard(Child);

impl Guard {
    /// Starts the leader.
    pub fn start() -> Result<Self, ChaosError> {
        let shell = Command::new("sh")
            .args(["-c", "read -r _; kill -9 0"])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        shell.map(Self).map_err(io("starting a shell"))
    }

    /// The group to start processes into.
    pub fn group(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap_or_default()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_started_into_the_group_ends_with_it_and_nothing_else() {
        let guard = Guard::start().unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        command.process_group(guard.group());
        let mut inside = command.spawn().unwrap();
        let mut outside = Command::new("sleep").arg("60").spawn().unwrap();
        drop(guard);
        assert!(!inside.wait().unwrap().success());
        assert!(outside.try_wait().unwrap().is_none());
        outside.kill().unwrap();
        outside.wait().unwrap();
    }
}
