//! What a process says of itself: its log, its metrics, and the pulse that tells whether its loops still turn.
//!
//! The one list of field names is in [`field`], that of metrics in [`metric`]. No other crate decides on a log's format or
//! destination: [`init`] does, once per process. There is no global registry: each service has its own [`Registry`], and who
//! embeds a service decides whether anybody sees it. The only crate that knows prometheus.
//!
//! In reading order: [`field`], [`log`], [`pulse`]; [`metric`] the names, [`bounded`] the label values that are not ours,
//! [`registry`] what is counted, [`exposition`] how it is asked for where there is no API.

pub mod bounded;
pub mod exposition;
pub mod field;
pub mod log;
pub mod metric;
pub mod pulse;
pub mod registry;

pub use log::{LogConfig, LogError, LogFormat, LogGuard, init};
pub use pulse::Pulse;
pub use registry::Registry;
