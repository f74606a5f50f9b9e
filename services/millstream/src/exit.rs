//! Exit codes that scripts can use, and the errors that carry them.

use std::fmt;
use std::process::ExitCode;

/// How the program ends. The numbers are a promise to scripts; those from 64 on follow sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// A task failed, an audit found something, a health check says no; also any error without a number of its own.
    Failed = 1,
    /// A setting, an argument or a request was refused.
    Usage = 2,
    /// There is no such task.
    NotFound = 3,
    /// The task was cancelled.
    Cancelled = 5,
    /// Redis, the API or the address to listen on is not there for us.
    Unreachable = 69,
    /// A role found itself unhealthy: start it again.
    Unhealthy = 70,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows its exit code; anywhere in a chain of `anyhow`.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// A line for stderr and how to end after it.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// How to end after it.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// A setting, by its name, that cannot be used. `why` must not repeat a secret.
    pub fn setting(name: &str, why: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, format!("{name}: {why}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of an error.
pub fn of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(|cause| cause.downcast_ref::<Failure>()).map_or(Exit::Failed, |failure| failure.exit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_code_is_found_under_context() {
        let inner: Result<(), Failure> = Err(Failure::setting("WORKERS", "a number is needed"));
        let error = inner.context("starting").unwrap_err();
        assert_eq!(of(&error), Exit::Usage);
        assert_eq!(of(&anyhow::anyhow!("other")), Exit::Failed);
    }
}
