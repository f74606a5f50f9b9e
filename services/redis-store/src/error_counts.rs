//! How often commands failed, each try by itself, by what a caller does about it.

use crate::error::StoreError;
use std::sync::atomic::{AtomicU64, Ordering};

/// The words for the classes, in the order of the counts.
pub const ERROR_CLASSES: [&str; 5] = ["unavailable", "out_of_memory", "wrong_type", "no_group", "refused"];

/// Counts of all handles on one address.
#[derive(Debug, Default)]
pub(crate) struct ErrorCounts([AtomicU64; ERROR_CLASSES.len()]);

impl ErrorCounts {
    /// Counts a failed try. That a key is not there yet is an answer, although Redis calls it an error.
    pub(crate) fn count(&self, error: &StoreError) {
        let class = match error {
            StoreError::Unavailable(_) => 0,
            StoreError::OutOfMemory(_) => 1,
            StoreError::WrongType(_) => 2,
            StoreError::NoGroup(_) => 3,
            StoreError::Refused(error) if error.details().contains("no such key") => return,
            StoreError::Refused(_) => 4,
            StoreError::Reply(_) | StoreError::Document(_) | StoreError::Address => return, // no try of a command
        };
        self.0[class].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, class: usize) -> u64 {
        self.0.get(class).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fred::error::{Error, ErrorKind};

    #[test]
    fn an_error_is_counted_in_its_class_and_a_missing_key_in_none() {
        let counts = ErrorCounts::default();
        for (kind, text) in [
            (ErrorKind::IO, "closed"),
            (ErrorKind::IO, "closed"),
            (ErrorKind::Unknown, "OOM command not allowed"),
            (ErrorKind::Unknown, "WRONGTYPE Operation against a key"),
            (ErrorKind::Unknown, "NOGROUP No such key or consumer group"),
            (ErrorKind::Unknown, "NOPERM this user has no permissions"),
            (ErrorKind::Unknown, "ERR no such key"),
        ] {
            counts.count(&StoreError::from(Error::new(kind, text)));
        }
        counts.count(&StoreError::Reply("XLEN"));
        assert_eq!([0, 1, 2, 3, 4].map(|class| counts.of(class)), [2, 1, 1, 1, 1]);
    }
}
