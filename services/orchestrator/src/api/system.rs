//! The service itself: who it is, whether it lives, whether it can do its work.

use super::Tag;
use crate::context::Context;
use crate::governor::Stop;
use crate::metrics;
use crate::refusal::Refusal;
use crate::refusal::documented::{self, Answer, Open, Refusals, Refused};
use crate::wire::answer::JsonText;
use crate::wire::metrics_page::MetricsPage;
use crate::wire::system::{Alive, Health, Ready, Welcome};
use poem::web::Data;
use poem_openapi::OpenApi;
use redis_store::server::ServerState;
use redis_store::{Store, StoreError};
use std::sync::Arc;

/// The operations on the service itself.
pub struct SystemApi;

struct Preparing;

impl Refusals for Preparing {
    const OWN: &'static [Answer] =
        &[(503, "Not ready; `missing` names what is not there.", &[|| Refusal::NotReady(vec!["redis"])])];
    const WAY: &'static [&'static [Answer]] = documented::OPEN;
}

#[OpenApi(tag = "Tag::System")]
impl SystemApi {
    /// Enter
    ///
    /// The service, its version, and links.
    #[oai(path = "/", method = "get", operation_id = "welcome")]
    async fn welcome(&self) -> Result<JsonText<Welcome>, Refused<Open>> {
        Ok(JsonText(Welcome::new()))
    }

    /// Health
    ///
    /// Always 200 while the process answers. Says whether Redis is connected, without asking it.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self, context: Data<&Arc<Context>>) -> Result<JsonText<Health>, Refused<Open>> {
        Ok(JsonText(Health::new(context.store.is_connected())))
    }

    /// Whether the process answers
    ///
    /// The liveness probe: asks nothing of Redis.
    #[oai(path = "/livez", method = "get", operation_id = "livez")]
    async fn livez(&self) -> Result<JsonText<Alive>, Refused<Open>> {
        Ok(JsonText(Alive::new()))
    }

    /// Read the metrics
    ///
    /// For Prometheus. What Redis holds is read for this answer; where Redis does not answer, that part is missing.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self, context: Data<&Arc<Context>>) -> Result<MetricsPage, Refused<Open>> {
        Ok(metrics::page(&context).await)
    }

    /// Readiness
    ///
    /// Asks Redis who it is and what it promises, once a second for all who ask; says what is missing or what should be
    /// changed, and what makes submissions be refused. `missing` is `redis` where there is none, and `redis_writable`
    /// where it refuses to write: it is a replica, cannot save, or has too few replicas.
    #[oai(path = "/ready", method = "get", operation_id = "ready")]
    async fn ready(&self, context: Data<&Arc<Context>>) -> Result<JsonText<Ready>, Refused<Preparing>> {
        if !context.store.is_connected() {
            return Err(Refusal::NotReady(vec!["redis"]).into());
        }
        let seen = context.gauge.seen();
        if seen.stop == Some(Stop::Unwritable) {
            return Err(Refusal::NotReady(vec!["redis_writable"]).into());
        }
        let asked = async { context.server.get(who(&context.store)).await.ok_or(Refusal::StoreSilent) };
        match context.ask(asked).await {
            Ok((server, trimmed)) => Ok(JsonText(Ready::on(server, seen, trimmed))),
            Err(_) => Err(Refusal::NotReady(vec!["redis"]).into()),
        }
    }
}

/// What the server is, and how many dead letters its bound has trimmed away.
async fn who(store: &Store) -> Result<(ServerState, u64), StoreError> {
    let asked = async { tokio::try_join!(store.server_state(), store.dead_letters_count()) };
    let (server, (_, trimmed)) = Box::pin(asked).await?; // several commands at once are too much for a stack
    Ok((server, trimmed))
}
