//! A process that `up` or `bench` starts dies with it, also when that is killed by SIGKILL.
//!
//! The starter names itself in the environment; the started one asks the kernel for a signal at the end of the thread
//! that started it. Hence the starter starts everything from its main thread.

use anyhow::Context;
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use std::ffi::OsString;

const VARIABLE: &str = "MILLSTREAM_PARENT";

/// What a process needs in its environment to die with this one.
pub fn variable() -> (&'static str, OsString) {
    (VARIABLE, getpid().as_raw_nonzero().to_string().into())
}

/// Binds this process to its parent, if the parent asked for it.
pub fn die_with_it(signal: Signal) -> anyhow::Result<()> {
    let Some(parent) = std::env::var_os(VARIABLE) else { return Ok(()) };
    set_parent_process_death_signal(Some(signal)).context("asking for a signal at the parent's death")?;
    let now = getppid().map(|pid| pid.as_raw_nonzero().to_string());
    // The parent may have died before the kernel was asked.
    anyhow::ensure!(now.is_some_and(|now| parent == *now), "the parent is gone");
    Ok(())
}
