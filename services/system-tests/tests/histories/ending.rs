//! How a worker's attempts end: each end is one call about some of what it believes to hold.

use crate::claim::Claim;
use crate::stranger::NOBODY;
use crate::worker::{Worker, fact, ids};
use crate::world::World;
use proto_schemas::{EntryError, FactKind, Kind, Outcome, SubtaskId, WorkEntry, record};
use redis_store::bury::{Burial, Buried, Owner};
use redis_store::fetch::Fetched;
use redis_store::hand_back::{HandedBack, Unfinished};
use redis_store::retry::{Retried, Retry};
use redis_store::settle::{Settled, Settlement};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

const RESULT_TTL: Duration = Duration::from_secs(86_400);
/// Until the next attempt: at once, or when time passes.
const DELAYS: [Duration; 2] = [Duration::ZERO, Duration::from_secs(3_600)];
/// Items of one call.
const BATCH: usize = 6;

impl Worker {
    /// Attempts end for good.
    pub async fn settle(&mut self, world: &mut World, kind: FactKind) {
        let mut leases = self.choose(world, |_| true);
        if leases.is_empty() {
            return;
        }
        if world.once_in(16) {
            leases.extend(leases.first().cloned());
        }
        let batch = self.settlements(&leases, kind);
        let (name, what) = (&self.name, format!("{} settles {kind} {}", self.name, tell(&leases)));
        let sent = world.send("settle", &what, async |store| store.settle(name, &batch).await).await;
        for ((lease, entry), settled) in sent.answers.iter().flat_map(|answers| leases.iter().zip(answers)) {
            let outcome = if kind == FactKind::Completed { Outcome::Completed } else { Outcome::Cancelled };
            let result = Some(result(lease, &entry.subtask_id));
            match settled {
                Settled::Recorded => {
                    assert_open(world, entry);
                    world.ledger.claimed(entry, self.claim(entry, outcome, result));
                    self.count(world, "settle", "recorded");
                }
                Settled::Dropped => self.count(world, "settle", "dropped"),
                Settled::Stale => self.count(world, "settle", "stale"),
            }
        }
        self.let_go(leases, sent.seen.is_some());
    }

    /// Begins to settle and dies when the first command has run: nobody hears the answer, nor does the ledger.
    pub async fn die_settling(&mut self, world: &mut World) {
        let leases = self.choose(world, |_| true);
        let batch = self.settlements(&leases, FactKind::Completed);
        world.trace.say(format!("{} dies settling {}", self.name, tell(&leases)));
        let store = world.store.clone();
        let mut call = Box::pin(store.settle(&self.name, &batch));
        poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
        store.now_ms().await.unwrap(); // sent behind it on the same connection
        drop(call);
        for (lease, entry) in &leases {
            let result = Some(result(lease, &entry.subtask_id));
            world.ledger.may_have_claimed(entry, self.claim(entry, Outcome::Completed, result));
        }
        self.let_go(leases, false);
    }

    fn claim(&self, entry: &WorkEntry, outcome: Outcome, result: Option<String>) -> Claim {
        Claim { outcome, attempt: entry.attempt, worker: self.name.clone(), result }
    }

    fn settlements(&self, leases: &[(Fetched, WorkEntry)], kind: FactKind) -> Vec<Settlement> {
        let settlement = |(lease, entry): &(Fetched, WorkEntry)| Settlement {
            stream: lease.stream.clone(),
            entry_id: lease.entry_id.clone(),
            subtask_id: entry.subtask_id.clone(),
            fact: fact(entry, kind, &self.name),
            result: Some(result(lease, &entry.subtask_id)),
            result_ttl: RESULT_TTL,
        };
        leases.iter().map(settlement).collect()
    }

    /// An attempt fails: tried again if it may be, buried if not.
    pub async fn fail(&mut self, world: &mut World) {
        let leases = self.choose(world, |entry| entry.attempt < entry.max_attempts);
        if leases.is_empty() {
            return self.bury(world).await;
        }
        let reason = Kind::new("error").unwrap();
        let mut batch = Vec::with_capacity(leases.len());
        for (lease, entry) in &leases {
            batch.push(Retry {
                stream: lease.stream.clone(),
                entry_id: lease.entry_id.clone(),
                task_id: entry.task_id.clone(),
                delay: world.pick(&DELAYS),
                reason: reason.clone(),
            });
        }
        let (name, what) = (&self.name, format!("{} retries {}", self.name, tell(&leases)));
        let sent = world.send("retry", &what, async |store| store.retry(name, &batch).await).await;
        for retried in sent.answers.iter().flatten() {
            self.count(
                world,
                "retry",
                match retried {
                    Retried::Scheduled => "scheduled",
                    Retried::Dropped => "dropped",
                    Retried::Stale => "stale",
                },
            );
        }
        self.let_go(leases, sent.seen.is_some());
    }

    /// Gives up what must not be tried again, and what cannot be read.
    pub async fn bury(&mut self, world: &mut World) {
        let unreadable = |lease: &Fetched| matches!(&lease.entry, Err(error) if !matches!(error, EntryError::Newer(_)));
        let (mut garbage, rest): (Vec<Fetched>, Vec<Fetched>) =
            std::mem::take(&mut self.held).into_iter().partition(unreadable);
        self.held = rest;
        let is_nobodys = |entry: &WorkEntry| entry.task_id.as_str().starts_with(NOBODY);
        let mut leases = if garbage.is_empty() { self.choose(world, is_nobodys) } else { Vec::new() };
        if garbage.is_empty() && leases.is_empty() {
            leases = self.choose(world, |_| true);
        }
        garbage.extend(leases.into_iter().map(|(lease, _)| lease));
        if garbage.is_empty() {
            return;
        }
        let batch: Vec<Burial> = garbage.iter().map(burial).collect();
        let (name, what) = (&self.name, format!("{} buries {}", self.name, ids(&garbage)));
        let sent = world.send("bury", &what, async |store| store.bury(name, &batch).await).await;
        for (lease, buried) in sent.answers.iter().flat_map(|answers| garbage.iter().zip(answers)) {
            if let (Buried::Buried, Ok(entry)) = (buried, &lease.entry) {
                let result = Some(result(lease, &entry.subtask_id));
                assert_open(world, entry);
                world.ledger.claimed(entry, self.claim(entry, Outcome::Failed, result));
            }
            self.count(
                world,
                "bury",
                match buried {
                    Buried::Buried => "buried",
                    Buried::Dropped => "dropped",
                    Buried::Stale => "stale",
                },
            );
        }
        self.let_go_all(garbage, sent.seen.is_some());
    }

    /// Gives entries of one stream back, or parks them.
    pub async fn hand_back(&mut self, world: &mut World, pause: Duration) {
        let stream = world.pick(&self.held).stream;
        let (mut held, rest): (Vec<Fetched>, Vec<Fetched>) =
            std::mem::take(&mut self.held).into_iter().partition(|lease| lease.stream == stream);
        let given = world.take_some(&mut held, BATCH);
        self.held = rest;
        self.held.append(&mut held);
        let entries: Vec<Unfinished> = given.iter().map(Unfinished::from).collect();
        let (name, verb) = (&self.name, if pause.is_zero() { "hand_back" } else { "park" });
        let what = format!("{name} {verb} {}", ids(&given));
        let sent = world.send(verb, &what, async |store| store.park(name, &stream, &entries, pause).await).await;
        for answer in sent.answers.iter().flatten() {
            self.count(
                world,
                verb,
                match answer {
                    HandedBack::Returned => "returned",
                    HandedBack::Parked => "parked",
                    HandedBack::Dropped => "dropped",
                    HandedBack::Stale => "stale",
                },
            );
        }
        self.let_go_all(given, sent.seen.is_some());
    }

    /// Takes some of what it holds and can read.
    fn choose(&mut self, world: &mut World, fits: impl Fn(&WorkEntry) -> bool) -> Vec<(Fetched, WorkEntry)> {
        let (mut fitting, rest): (Vec<Fetched>, Vec<Fetched>) =
            std::mem::take(&mut self.held).into_iter().partition(|lease| lease.entry.as_ref().is_ok_and(&fits));
        let chosen = world.take_some(&mut fitting, BATCH);
        self.held = rest;
        self.held.append(&mut fitting);
        chosen.into_iter().filter_map(|lease| lease.entry.clone().ok().map(|entry| (lease, entry))).collect()
    }

    fn let_go(&mut self, leases: Vec<(Fetched, WorkEntry)>, is_answered: bool) {
        self.let_go_all(leases.into_iter().map(|(lease, _)| lease).collect(), is_answered);
    }

    /// What was answered is over, whatever the answer; of the rest it does not know.
    fn let_go_all(&mut self, leases: Vec<Fetched>, is_answered: bool) {
        if is_answered {
            self.told.extend(leases.into_iter().map(|lease| lease.entry_id));
        } else {
            self.held.extend(leases);
        }
    }

    fn count(&self, world: &mut World, verb: &str, answer: &str) {
        world.tally.note(format!("{verb} {answer}"));
        self.note(world, answer);
    }
}

/// What was just recorded waits for its fold: a record that stands already is of somebody else.
fn assert_open(world: &mut World, entry: &WorkEntry) {
    if world.ledger.knows(entry) {
        let field = record::field_of(entry.index, entry.generation);
        let record = world.stranger(&["HGET", &format!("outcomes:{}", entry.task_id), &field]).text();
        assert_eq!(record, "", "{} {field} had ended and is recorded again", entry.task_id);
    }
}

fn burial(lease: &Fetched) -> Burial {
    let owner = lease.entry.as_ref().ok().map(|entry| Owner {
        task_id: entry.task_id.clone(),
        subtask_id: entry.subtask_id.clone(),
        result: Some(result(lease, &entry.subtask_id)),
        result_ttl: RESULT_TTL,
    });
    let reason = Kind::new(if owner.is_some() { "fatal" } else { "malformed" }).unwrap();
    Burial { stream: lease.stream.clone(), entry_id: lease.entry_id.clone(), owner, reason, error: "why".to_owned() }
}

/// A result that says which entry it is of.
fn result(lease: &Fetched, subtask_id: &SubtaskId) -> String {
    format!("{{\"subtask_id\":\"{subtask_id}\",\"entry\":\"{}\"}}", lease.entry_id)
}

fn tell(leases: &[(Fetched, WorkEntry)]) -> String {
    let one =
        |(lease, entry): &(Fetched, WorkEntry)| format!("{}@{}={}", entry.subtask_id, entry.generation, lease.entry_id);
    leases.iter().map(one).collect::<Vec<_>>().join(" ")
}
