//! What can go wrong, sorted by what a caller does about it.

use fred::error::{Error, ErrorKind};

/// An error of Redis, of its bytes, or a bug. Expected answers (`stale`, `existing`) are values, not errors.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection, loading, read-only, failing over, timed out: try again after a pause.
    #[error("redis is unavailable")]
    Unavailable(#[source] Error),
    /// A write was refused for lack of memory and nothing was written.
    #[error("redis is out of memory")]
    OutOfMemory(#[source] Error),
    /// A key of ours holds something else; nothing was written. A person must look.
    #[error("a key holds a value of another type")]
    WrongType(#[source] Error),
    /// The consumer group is gone: create it at 0.
    #[error("the consumer group is missing")]
    NoGroup(#[source] Error),
    /// Redis refused the command for another reason, such as missing rights.
    #[error("redis refused a command")]
    Refused(#[source] Error),
    /// A reply of a shape that the command does not have.
    #[error("unexpected reply to {0}")]
    Reply(&'static str),
    /// A stored document that cannot be read.
    #[error("a stored document cannot be read")]
    Document(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address of Redis cannot be used. The address itself is not repeated: it may carry a password.
    #[error("the address of redis is not valid")]
    Address,
}

/// Prefixes after which the same command may succeed a little later.
const TRANSIENT: [&str; 10] = [
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY ",
    "MISCONF",
    "NOREPLICAS",
    "UNBLOCKED",
    "UNKILLABLE",
];

/// Of these, those of a server that answers reads and refuses every write.
const UNWRITABLE: [&str; 3] = ["READONLY", "MISCONF", "NOREPLICAS"];

/// Whether an error came from a server: its first word is in capitals. The client's own, such as a command that met no
/// connection, are sentences.
fn has_code(text: &str) -> bool {
    let code = text.split(' ').next().unwrap_or_default();
    !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

impl StoreError {
    /// What a full Redis says to a write: for whoever shows what then happens.
    pub fn out_of_memory() -> Self {
        Error::new(ErrorKind::Unknown, "OOM command not allowed when used memory > 'maxmemory'.").into()
    }

    /// Whether trying the same again after a pause is the right answer.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether the same may succeed a little later: [`Self::is_transient`], or Redis is full.
    pub fn is_passing(&self) -> bool {
        self.is_transient() || matches!(self, Self::OutOfMemory(_))
    }

    /// Whether the server is there and refuses to write: a replica, a disk that is full, or too few replicas.
    pub fn refuses_writes(&self) -> bool {
        matches!(self, Self::Unavailable(error) if UNWRITABLE.iter().any(|word| error.details().contains(word)))
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        // Inside a script the server wraps the words, so look anywhere in the text.
        let text = error.details();
        let says = |word: &str| text.contains(word);
        match error.kind() {
            ErrorKind::IO
            | ErrorKind::Timeout
            | ErrorKind::Canceled
            | ErrorKind::Backpressure
            | ErrorKind::Routing
            | ErrorKind::Cluster
            | ErrorKind::Sentinel
            | ErrorKind::Tls => Self::Unavailable(error),
            _ if says("WRONGTYPE") => Self::WrongType(error),
            _ if says("NOGROUP") => Self::NoGroup(error),
            _ if says("OOM ") => Self::OutOfMemory(error),
            _ if TRANSIENT.iter().any(|word| says(word)) || !has_code(text) => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_refuses_writes_is_told_from_one_that_is_not_there() {
        for (kind, text, expect) in [
            (ErrorKind::Unknown, "READONLY You can't write against a read only replica.", true),
            (ErrorKind::Unknown, "MISCONF Redis is configured to save RDB snapshots", true),
            (ErrorKind::Unknown, "NOREPLICAS Not enough good replicas to write.", true),
            (ErrorKind::Unknown, "LOADING Redis is loading the dataset in memory", false),
            (ErrorKind::Unknown, "OOM command not allowed when used memory > 'maxmemory'.", false),
            (ErrorKind::IO, "Connection closed.", false),
        ] {
            assert_eq!(StoreError::from(Error::new(kind, text)).refuses_writes(), expect, "{text}");
        }
        assert!(matches!(StoreError::out_of_memory(), StoreError::OutOfMemory(_)));
    }
}
