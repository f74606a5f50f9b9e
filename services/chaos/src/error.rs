//! Why the harness itself could not go on; what it finds out about Millstream is never an error.

use std::io;

/// A defect of the harness or of the machine under it.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// The command line cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The machine lacks something, or the installation did not come up.
    #[error("{0}")]
    Setup(String),
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// Redis answered with an error where the harness needs an answer.
    #[error("redis answers: {0}")]
    Redis(String),
    /// A ledger line that no process of ours writes.
    #[error("a ledger has a line that cannot be read: {0}")]
    Ledger(String),
}

/// Names what was being done when the operating system refused.
pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> ChaosError {
    move |source| ChaosError::Io { what: what.into(), source }
}
