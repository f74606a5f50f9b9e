//! What a role without an API shows of what it counts, if its settings say where.

use crate::exit::Failure;
use crate::settings::MetricsSettings;
use redis_store::Store;
use telemetry::metric::REDIS_ERRORS;
use telemetry::{Registry, exposition};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A role's metrics and where to show them.
pub struct Exposition<'a> {
    /// Where.
    pub settings: &'a MetricsSettings,
    /// What it counts.
    pub registry: Registry,
}

impl Exposition<'_> {
    /// Adds the errors of `store` and shows all of it for as long as the process lives, its farewell included.
    pub async fn start(self, store: &Store) -> Result<(), Failure> {
        let MetricsSettings { metrics_host: host, metrics_port: port } = self.settings;
        if *port == 0 {
            return Ok(());
        }
        let bound = TcpListener::bind((host.as_str(), *port)).await;
        let listener = bound.map_err(|error| self.settings.refusal(*port, &error))?;
        follow_errors(&self.registry, store);
        tracing::info!(host, port, "/metrics listens");
        tokio::spawn(exposition::serve(listener, self.registry, CancellationToken::new()));
        Ok(())
    }
}

fn follow_errors(registry: &Registry, store: &Store) {
    let errors = registry.counters(&REDIS_ERRORS);
    for (at, (class, _)) in store.error_counts().into_iter().enumerate() {
        let store = store.clone();
        registry.follow(errors.with_label_values(&[class]), move || store.error_counts()[at].1);
    }
}
