//! What a process says of itself: its log, and the pulse that tells whether its loops still turn.
//!
//! The one list of span and field names is in [`field`]. No other crate decides on a log's format or destination.

pub mod field;
pub mod pulse;

pub use pulse::Pulse;
