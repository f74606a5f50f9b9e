//! The consumer group: fetch, execute, settle, renew, reap.
