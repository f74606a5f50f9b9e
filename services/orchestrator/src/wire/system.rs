//! What the service says of itself.

use super::time::Timestamp;
use crate::connection::SAFE_POLICY;
use crate::governor::Seen;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use redis_store::server::{Durability, ServerState};
use serde::Serialize;

/// The one name of this service.
pub const SERVICE: &str = "orchestrator";

/// Service, version and links.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example)]
pub struct Welcome {
    /// Its name.
    pub service: String,
    /// Its version.
    pub version: String,
    /// `running`, since it answers.
    pub status: String,
    /// Where to go from here.
    pub links: Links,
}

/// Where to go from the entrance.
#[derive(Debug, Clone, Serialize, Object)]
pub struct Links {
    /// Try the API here.
    pub docs: String,
    /// Read about the API here.
    pub redoc: String,
    /// Its description for machines.
    pub openapi: String,
    /// Health, and its view of Redis.
    pub health: String,
    /// Readiness.
    pub ready: String,
    /// The native door, and the list of tasks.
    pub tasks: String,
    /// The typed door.
    pub assign_task: String,
    /// What waits and what runs.
    pub streams: String,
    /// Who works.
    pub workers: String,
}

/// Health; never asks anybody else.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example)]
pub struct Health {
    /// `healthy`, since it answers.
    pub status: String,
    /// Its name.
    pub service: String,
    /// Whether there is a connection to Redis right now.
    pub redis: RedisConnection,
    /// When it was answered.
    pub timestamp: Timestamp,
}

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum RedisConnection {
    /// There is.
    Connected,
    /// There is none; it is being tried for.
    Disconnected,
}

/// That the process answers.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example)]
pub struct Alive {
    /// `alive`.
    pub status: String,
}

/// That it can do its work, and on what.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct Ready {
    /// `ready`; otherwise the answer is a problem.
    pub status: String,
    /// The connected Redis.
    pub redis: RedisState,
    /// Why submissions are refused, if they are: `memory` (more than 80 % of it is used), `out_of_memory` (all of it
    /// is) or `unfolded_facts` (the projectors are too far behind).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusing: Option<String>,
    /// `disabled`: none is configured.
    pub database: String,
    /// `disabled`: none is configured.
    pub reflex_layer: String,
}

/// What the connected Redis is and what its settings promise.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct RedisState {
    /// Always true here.
    pub connected: bool,
    /// Of Redis or Valkey.
    pub version: String,
    /// always, everysec, no-fsync, none or unknown.
    pub durability: String,
    /// What that means for an acknowledged task.
    pub promise: String,
    /// The memory it may use, in bytes; 0 is no bound. Submissions are refused above four fifths of it.
    pub maxmemory_bytes: u64,
    /// What happens when its memory is full.
    pub maxmemory_policy: String,
    /// The name of its data's life; another one after a loss of everything. Absent until it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// How often everything was lost since this process started.
    pub losses: u64,
    /// Dead letters that their bound has trimmed away so far.
    pub dead_letters_trimmed: u64,
    /// Warnings: what should be changed or looked at.
    pub warnings: Vec<String>,
}

impl Welcome {
    /// The entrance of this version.
    pub fn new() -> Self {
        let links = Links {
            docs: "/docs".to_owned(),
            redoc: "/redoc".to_owned(),
            openapi: "/openapi.json".to_owned(),
            health: "/health".to_owned(),
            ready: "/ready".to_owned(),
            tasks: "/tasks".to_owned(),
            assign_task: "/assign-task/".to_owned(),
            streams: "/streams".to_owned(),
            workers: "/workers".to_owned(),
        };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { service: SERVICE.to_owned(), version, status: "running".to_owned(), links }
    }
}

impl Health {
    /// Now.
    pub fn new(connected: bool) -> Self {
        let redis = if connected { RedisConnection::Connected } else { RedisConnection::Disconnected };
        Self { status: "healthy".to_owned(), service: SERVICE.to_owned(), redis, timestamp: Timestamp::now() }
    }
}

impl Alive {
    /// The one value.
    pub fn new() -> Self {
        Self { status: "alive".to_owned() }
    }
}

impl Ready {
    /// Ready on this Redis, as the governor has seen it.
    pub fn on(server: ServerState, seen: Seen, dead_letters_trimmed: u64) -> Self {
        let refusing = seen.refusing().map(str::to_owned);
        let mut warnings = Vec::new();
        if seen.losses > 0 {
            warnings.push(format!("redis has lost everything {} times since this process started", seen.losses));
        }
        if dead_letters_trimmed > 0 {
            warnings.push(format!("{dead_letters_trimmed} dead letters were trimmed away unseen"));
        }
        if server.maxmemory_policy != SAFE_POLICY {
            let policy = &server.maxmemory_policy;
            warnings.push(format!("maxmemory-policy is {policy}: redis may evict tasks; set {SAFE_POLICY}"));
        }
        if server.maxmemory == 0 {
            warnings
                .push("maxmemory is 0: nothing is refused before the machine has no memory left; set it".to_owned());
        }
        let redis = RedisState {
            connected: true,
            version: server.version,
            durability: server.durability.as_str().to_owned(),
            promise: server.durability.promise().to_owned(),
            maxmemory_bytes: server.maxmemory,
            maxmemory_policy: server.maxmemory_policy,
            epoch: seen.epoch,
            losses: seen.losses,
            dead_letters_trimmed,
            warnings,
        };
        let disabled = || "disabled".to_owned();
        Self { status: "ready".to_owned(), redis, refusing, database: disabled(), reflex_layer: disabled() }
    }
}

impl Example for Welcome {
    fn example() -> Self {
        Self::new()
    }
}

impl Example for Health {
    fn example() -> Self {
        Self { timestamp: Timestamp::from_ms(1_790_000_000_000), ..Self::new(true) }
    }
}

impl Example for Alive {
    fn example() -> Self {
        Self::new()
    }
}

impl Example for Ready {
    fn example() -> Self {
        let server = ServerState {
            version: "7.0.15".to_owned(),
            run_id: String::new(),
            uptime_seconds: 0,
            used_memory: 0,
            maxmemory: 1 << 30,
            maxmemory_policy: SAFE_POLICY.to_owned(),
            durability: Durability::Always,
        };
        let epoch = Some(super::task::EXAMPLE_ID.to_owned());
        Self::on(server, Seen { epoch, ..Seen::default() }, 0)
    }
}
