//! What the binary decides for this service.

use crate::auth::AuthConfig;
use crate::feed::FeedSettings;
use crate::gate::Hosts;
use crate::governor::Limits;
use crate::http::Deadlines;
use crate::replicas::ReplicaOrder;
use proto_schemas::{Kind, QueueName, limit};
use redis_store::throttle::Allowance;
use std::time::Duration;
use task_core::Rules;
use task_core::egress::Egress;

/// The kinds that every worker of Millstream serves.
const BUILT_IN_KINDS: [&str; 2] = ["simulate", "test_task"];

/// The settings of one orchestrator.
#[derive(Debug, Clone)]
pub struct Config {
    /// A name or an address to listen on.
    pub host: String,
    /// 0 takes any free port.
    pub port: u16,
    /// Connections that are served at a time.
    pub connections_max: usize,
    /// What clients are given on a connection.
    pub deadlines: Deadlines,
    /// Plans a task that brings no subtasks of its own.
    pub plan_rules: Rules,
    /// The kinds that are accepted without a worker that announces them, and their queues.
    pub kinds: Vec<(Kind, QueueName)>,
    /// Entries a queue may hold before a submission is refused.
    pub backlog_max: u64,
    /// When submissions are refused before Redis has to.
    pub limits: Limits,
    /// From when a task may start to its deadline, unless it says otherwise.
    pub task_deadline: Duration,
    /// How long a task outlives its end.
    pub task_ttl: Duration,
    /// How many replicas must have a submission before it is accepted; none is waited for otherwise.
    pub replicas: Option<ReplicaOrder>,
    /// A request about many dead letters answers after this at the latest, and says where to go on.
    pub letters_time: Duration,
    /// Which credentials are asked for; none unless something is set.
    pub auth: AuthConfig,
    /// How much each client may ask for; not bounded without it.
    pub allowance: Option<Allowance>,
    /// The names under which it may be asked.
    pub hosts: Hosts,
    /// The origins, such as `https://example.org`, whose pages may ask and read.
    pub cors_origins: Vec<String>,
    /// How many may listen to the feed, and how it shows that it lives.
    pub feed: FeedSettings,
    /// Where webhooks may be, besides the public internet.
    pub egress: Egress,
    /// How long requests in flight may go on after the signal to stop.
    pub shutdown_grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let built_in =
            |kind: &&str| (Kind::new(*kind).expect("a built-in kind is a token"), QueueName::default_queue());
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8000,
            connections_max: 2_048,
            deadlines: Deadlines::default(),
            plan_rules: Rules::built_in(),
            kinds: BUILT_IN_KINDS.iter().map(built_in).collect(),
            backlog_max: limit::BACKLOG_MAX,
            limits: Limits { unfolded_max: limit::UNFOLDED_FACTS_MAX, look_every: Duration::from_secs(1) },
            task_deadline: Duration::from_millis(limit::TASK_DEADLINE_MS),
            task_ttl: Duration::from_secs(limit::TASK_TTL_SECONDS),
            replicas: None,
            letters_time: Duration::from_secs(20),
            auth: AuthConfig::default(),
            allowance: None,
            hosts: Hosts::Any,
            cors_origins: Vec::new(),
            feed: FeedSettings { streams_max: 2_000, keep_alive: Duration::from_secs(15), life: None },
            egress: Egress::default(),
            shutdown_grace: Duration::from_secs(25),
        }
    }
}
