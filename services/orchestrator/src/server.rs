//! Listening, serving, and stopping without dropping a request.

use crate::audit_log::{self, AuditLog};
use crate::config::Config;
use crate::connection;
use crate::context::Context;
use crate::error::OrchestratorError;
use crate::feed::Feed;
use crate::governor::{self, Gauge};
use crate::http::{self, Terms};
use crate::routes;
use poem::IntoEndpoint;
use redis_store::Store;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long the end waits for the last notes of the audit.
const AUDIT_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// A server that listens and does not serve yet.
pub struct Server {
    config: Config,
    listener: TcpListener,
    address: SocketAddr,
}

/// Serves the API until `shutdown`. Returns at once if the address cannot be listened on; Redis may come later.
pub async fn run(config: Config, store: Store, shutdown: CancellationToken) -> Result<(), OrchestratorError> {
    Server::bind(config).await?.run(store, shutdown).await
}

impl Server {
    /// Takes the address: from now on connections wait for [`Server::run`].
    pub async fn bind(config: Config) -> Result<Self, OrchestratorError> {
        let bound = http::listen(&config.host, config.port).await;
        match bound.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((address, listener)) => Ok(Self { config, listener, address }),
            Err(source) => Err(OrchestratorError::Bind { host: config.host, port: config.port, source }),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then finishes what is in flight within the grace of the settings.
    pub async fn run(self, store: Store, shutdown: CancellationToken) -> Result<(), OrchestratorError> {
        let (address, connections_max) = (self.address, self.config.connections_max);
        let (deadlines, grace) = (self.config.deadlines, self.config.shutdown_grace);
        let watcher = tokio::spawn(connection::run(store.clone(), shutdown.clone()));
        let (gauge, limits) = (Arc::new(Gauge::default()), self.config.limits);
        let governor = tokio::spawn({
            let (store, gauge, shutdown) = (store.clone(), gauge.clone(), shutdown.clone());
            async move { governor::run(store, &gauge, limits, shutdown).await }
        });
        let (audit, notes) = AuditLog::new();
        let auditor = tokio::spawn(audit_log::run(store.clone(), notes, audit.lost()));
        let feed = Arc::new(Feed::new(store.clone(), self.config.feed, shutdown.clone()));
        let follower = tokio::spawn({
            let feed = feed.clone();
            async move { feed.run().await }
        });
        let context = Arc::new(Context::new(self.config, store, gauge, (feed, audit)));
        let endpoint = routes::endpoint(context.clone());
        let metrics = context.metrics.clone();
        let refused = Arc::new(move |code: &'static str| metrics.refused(code));
        let terms = Terms { address, connections_max, deadlines, grace, refused };
        tracing::info!(address = %self.address, "the API listens");
        http::serve(self.listener, endpoint.into_endpoint(), terms, shutdown).await;
        watcher.abort();
        governor.abort();
        follower.abort();
        drop(context);
        // What was handed in by then is still written.
        let _ = tokio::time::timeout(AUDIT_GRACE, auditor).await;
        Ok(())
    }
}
