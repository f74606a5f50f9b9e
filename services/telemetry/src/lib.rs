//! What a process says of itself: its log, its metrics, its traces, and the pulse that tells whether its loops still
//! turn.
//!
//! The one list of the names of metrics is in [`metric`], that of spans in [`trace::span`]. No other crate decides on a
//! log's format or destination: [`init`] does, once per process. There is no global registry: each service has its own
//! [`Registry`], and who embeds a service decides whether anybody sees it. Traces are the process' own, and off until
//! [`trace::init`]. The only crate that knows prometheus and OpenTelemetry.
//!
//! In reading order: [`log`], [`pulse`]; [`metric`] the names, [`bounded`] the label values that are not ours,
//! [`registry`] what is counted, [`TaskEnds`] what several services count alike, [`exposition`] how it is asked for
//! where there is no API; [`trace`] what happened to one task.

pub mod bounded;
pub mod exposition;
pub mod log;
pub mod metric;
pub mod pulse;
pub mod registry;
mod task_ends;
pub mod trace;

pub use log::{LogConfig, LogError, LogFormat, LogGuard, init};
pub use pulse::Pulse;
pub use registry::Registry;
pub use task_ends::TaskEnds;
