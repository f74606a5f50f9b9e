//! Why the service did not start, or stopped.

use std::io;

/// An error that ends the service.
#[derive(Debug, thiserror::Error)]
pub enum OrchestratorError {
    /// The address cannot be listened on: taken, not of this machine, or not permitted.
    #[error("cannot listen on {host}:{port}")]
    Bind {
        /// As configured.
        host: String,
        /// As configured.
        port: u16,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}
