//! Where a role sends its traces, if anywhere.

use super::parse;
use crate::exit::Failure;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use telemetry::trace::{self, TraceConfig, TraceGuard};

/// The traces of a role.
#[derive(Debug, Clone, Args)]
pub struct TraceSettings {
    /// The collector that traces are sent to, as OTLP over HTTP: an address such as http://127.0.0.1:4318, to which
    /// /v1/traces is added. Without it there are none, and they cost nothing.
    #[arg(long, env = "OTLP_ENDPOINT", hide_env_values = true, value_name = "URL", value_parser = parse::collector_url)]
    otlp_endpoint: Option<SecretString>,

    /// The share of the tasks that is traced, 0 to 1; the same for every role, or their traces have holes.
    #[arg(long, env = "TRACE_RATIO", value_name = "SHARE", default_value = "1.0", value_parser = parse::share)]
    trace_ratio: f64,
}

impl TraceSettings {
    /// Starts the traces of this process, if there are to be any.
    pub fn init(&self, role: &'static str, instance: &str) -> Result<Option<TraceGuard>, Failure> {
        let Some(endpoint) = &self.otlp_endpoint else { return Ok(None) };
        let config = TraceConfig {
            endpoint: endpoint.expose_secret().to_owned(),
            ratio: self.trace_ratio,
            role,
            instance: instance.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
        };
        trace::init(config).map(Some).map_err(|error| Failure::setting("OTLP_ENDPOINT", error))
    }
}
