//! Which kinds are accepted, and where their subtasks wait: those that every worker of Millstream serves, and those
//! that some worker has announced within the last seven days.
//!
//! What workers announce is remembered for a second, so that submissions do not ask Redis for it each time; a kind that
//! is not among what is remembered is asked for before it is refused. What Redis said within the last minute is
//! accepted even if it says so no more: after a loss of all data workers take up to ten seconds to announce themselves
//! again, and what a client is told to be wrong, it does not send again.

use crate::context::Context;
use crate::refusal::Refusal;
use crate::wire::kind::{KindDocument, KindList};
use crate::wire::time::{Timestamp, now_ms};
use proto_schemas::limit::KIND_TTL_MS;
use proto_schemas::webhook::WEBHOOK_KIND;
use proto_schemas::{Kind, QueueName};
use redis_store::kinds::KnownKind;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const REMEMBERED: Duration = Duration::from_secs(1);
/// Kinds that an answer names.
const TOLD_MAX: usize = 20;
/// How long a kind outlives its announcement in this process.
const OUTLIVES: Duration = Duration::from_secs(60);

/// The kinds of one server.
pub struct Kinds {
    built_in: BTreeMap<Kind, QueueName>,
    announced: Mutex<Announced>,
}

/// What Redis said, and when of each it said so last.
#[derive(Default)]
struct Announced {
    asked_at: Option<Instant>,
    kinds: BTreeMap<Kind, (Instant, KnownKind)>,
}

/// The kinds that are accepted at one moment.
#[derive(Debug, Clone)]
pub struct Served(BTreeMap<Kind, QueueName>);

impl Kinds {
    /// Knows only these.
    pub fn new(built_in: Vec<(Kind, QueueName)>) -> Self {
        Self { built_in: built_in.into_iter().collect(), announced: Mutex::default() }
    }

    /// What is accepted now; `wanted` by name are certainly judged by what Redis says now or a second ago.
    pub async fn served<'a>(
        &self,
        context: &Context,
        wanted: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Served, Refusal> {
        let all_in = |served: &Served| wanted.clone().all(|name| served.queue_of(name).is_some());
        let built_in = Served(self.built_in.clone());
        if all_in(&built_in) {
            return Ok(built_in);
        }
        if let Some(remembered) = self.remembered().map(|announced| self.with(announced)).filter(all_in) {
            return Ok(remembered);
        }
        let announced = context.ask(context.store.known_kinds()).await?;
        Ok(self.with(self.remember(announced)))
    }

    /// Every kind that is accepted, for people.
    pub async fn list(&self, context: &Context) -> Result<KindList, Refusal> {
        let announced = context.ask(context.store.known_kinds()).await?;
        let seen: BTreeMap<Kind, u64> = announced.iter().map(|known| (known.kind.clone(), known.seen_ms)).collect();
        let document = |(kind, queue): (Kind, QueueName)| KindDocument {
            last_seen: seen.get(&kind).copied().map(Timestamp::from_ms),
            kind: kind.to_string(),
            queue: queue.to_string(),
        };
        Ok(KindList { kinds: self.with(announced).0.into_iter().map(document).collect() })
    }

    fn remembered(&self) -> Option<Vec<KnownKind>> {
        let remembered = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.asked_at.filter(|at| at.elapsed() < REMEMBERED).map(|_| remembered.list())
    }

    /// Takes in what Redis says now; answers that and what it said within a minute.
    fn remember(&self, announced: Vec<KnownKind>) -> Vec<KnownKind> {
        let (mut remembered, now) = (self.announced.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        remembered.asked_at = Some(now);
        remembered.kinds.extend(announced.into_iter().map(|known| (known.kind.clone(), (now, known))));
        remembered.kinds.retain(|_, (said_at, _)| said_at.elapsed() < OUTLIVES);
        remembered.list()
    }

    /// The queue of a built-in kind is not a worker's to change.
    fn with(&self, announced: Vec<KnownKind>) -> Served {
        let oldest_ms = now_ms().saturating_sub(KIND_TTL_MS);
        // Deliveries are submitted by the projectors alone: whoever could submit one could have anything signed.
        let is_for_clients = |known: &KnownKind| known.seen_ms >= oldest_ms && known.kind.as_str() != WEBHOOK_KIND;
        let fresh = announced.into_iter().filter(is_for_clients);
        let mut served: BTreeMap<Kind, QueueName> = fresh.map(|known| (known.kind, known.queue)).collect();
        served.extend(self.built_in.clone());
        Served(served)
    }
}

impl Announced {
    fn list(&self) -> Vec<KnownKind> {
        self.kinds.values().map(|(_, known)| known.clone()).collect()
    }
}

impl Served {
    /// A kind by its name, with its queue.
    pub fn find(&self, name: &str) -> Option<(&Kind, &QueueName)> {
        self.0.get_key_value(&Kind::new(name).ok()?)
    }

    fn queue_of(&self, name: &str) -> Option<&QueueName> {
        self.find(name).map(|(_, queue)| queue)
    }

    /// The end of a sentence about a kind that is not accepted.
    pub fn rule(&self) -> String {
        let known: Vec<&str> = self.0.keys().take(TOLD_MAX).map(Kind::as_str).collect();
        let more = if self.0.len() > TOLD_MAX { ", and others, see /kinds" } else { "" };
        format!("must be one of the known kinds: {}{more}", known.join(", "))
    }
}
