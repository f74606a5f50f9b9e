//! What a process says of itself: its log, and the pulse that tells whether its loops still turn.
//!
//! The one list of span and field names is in [`field`]. No other crate decides on a log's format or destination:
//! [`init`] does, once per process.

pub mod field;
pub mod log;
pub mod pulse;

pub use log::{LogConfig, LogError, LogFormat, LogGuard, init};
pub use pulse::Pulse;
