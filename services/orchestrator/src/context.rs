//! What every handler is given, and how it may ask Redis.

use crate::audit_log::AuditLog;
use crate::auth::Auth;
use crate::config::Config;
use crate::feed::Feed;
use crate::gate::Hosts;
use crate::governor::{Gauge, Pressure};
use crate::kinds::Kinds;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::replicas::Replicas;
use crate::shared_read::SharedRead;
use crate::wire::system::SERVICE;
use proto_schemas::ConsumerName;
use redis_store::Store;
use redis_store::fleet::LeasedEntry;
use redis_store::server::ServerState;
use redis_store::submit::Admission;
use redis_store::throttle::Allowance;
use std::sync::Arc;
use std::time::{Duration, Instant};
use task_core::egress::Egress;
use task_core::{Planner, Rules};

/// No request waits longer than this for Redis, so that a client hears of an outage within 3 s. The patience of the
/// store bounds its pauses between tries; this bounds the tries too, when Redis accepts a command and never answers.
const STORE_DEADLINE: Duration = Duration::from_millis(2_500);
/// Less than that: what a read in vain has shown is shared before those who wait for it are refused.
const SHARED_DEADLINE: Duration = Duration::from_secs(2);

/// Shared by all handlers.
pub struct Context {
    /// Redis.
    pub store: Store,
    /// What the connected Redis is, and how many dead letters its bound has trimmed away.
    pub server: SharedRead<(ServerState, u64)>,
    /// What is leased of all streams: each entry is read whole.
    pub leases: SharedRead<Vec<LeasedEntry>>,
    /// The kinds that are accepted.
    pub kinds: Kinds,
    /// What a queue may hold and how long a task may take.
    pub admission: Admission,
    /// What the governor sees.
    pub gauge: Arc<Gauge>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who must have a submission too, if the settings ask for it.
    pub replicas: Option<Replicas>,
    /// What happens, for whoever listens or waits.
    pub feed: Arc<Feed>,
    /// How long a task outlives its end.
    pub task_ttl: Duration,
    /// How long a request may deal with many dead letters.
    pub letters_time: Duration,
    /// Who judges credentials; nobody is asked otherwise.
    pub auth: Option<Auth>,
    /// How much each client may ask for, if that is bounded.
    pub allowance: Option<Allowance>,
    /// The names under which it may be asked.
    pub hosts: Hosts,
    /// The origins whose pages may ask and read.
    pub cors_origins: Vec<String>,
    /// Where changes are written down.
    pub audit: AuditLog,
    /// Where webhooks may be.
    pub egress: Egress,
    rules: Rules,
}

impl Context {
    /// The context of one server.
    pub fn new(config: Config, store: Store, gauge: Arc<Gauge>, (feed, audit): (Arc<Feed>, AuditLog)) -> Self {
        let admission = Admission { backlog_max: config.backlog_max, deadline: config.task_deadline };
        let replicas = config.replicas.map(|order| Replicas::new(&store, order));
        let (kinds, rules) = (Kinds::new(config.kinds), config.plan_rules);
        let metrics = Arc::new(Metrics::new(store.clone(), gauge.clone(), audit.lost()));
        let (task_ttl, letters_time) = (config.task_ttl, config.letters_time);
        let (auth, allowance, cors_origins) = (Auth::new(config.auth), config.allowance, config.cors_origins);
        Self {
            store,
            server: SharedRead::within(SHARED_DEADLINE),
            leases: SharedRead::within(SHARED_DEADLINE),
            kinds,
            admission,
            gauge,
            metrics,
            replicas,
            feed,
            task_ttl,
            letters_time,
            auth,
            allowance,
            hosts: config.hosts,
            cors_origins,
            audit,
            egress: config.egress,
            rules,
        }
    }

    /// Who plans a task that brings no plan.
    pub fn planner(&self) -> &dyn Planner {
        &self.rules
    }

    /// Refuses more work while Redis or the projectors have too much already.
    pub fn admit(&self) -> Result<(), Refusal> {
        self.gauge.seen().pressure.map_or(Ok(()), |pressure| Err(self.overloaded(pressure)))
    }

    /// A refusal for this reason, which is counted.
    pub fn overloaded(&self, pressure: Pressure) -> Refusal {
        self.metrics.overloaded(pressure);
        Refusal::Overloaded(pressure)
    }

    /// Waits for what Redis answers, but not for ever. Everything that a request asks goes into one call.
    pub fn ask<T, E: Into<Refusal>>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, Refusal>> {
        self.ask_since(Instant::now(), answer) // async around async would double the future
    }

    /// The same for one of several waits that have one deadline together: it counts from `began`.
    pub async fn ask_since<T, E: Into<Refusal>>(
        &self,
        began: Instant,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Refusal> {
        match tokio::time::timeout(STORE_DEADLINE.saturating_sub(began.elapsed()), answer).await {
            Ok(answer) => answer.map_err(E::into),
            Err(_) => Err(Refusal::StoreSilent),
        }
    }
}

/// The name under which this service writes facts.
pub fn by() -> ConsumerName {
    ConsumerName::new(SERVICE).expect("the name of the service is a token")
}
