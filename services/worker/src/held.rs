//! What this worker holds: every leased entry, from the read to the answer of the script that lets it go.

use proto_schemas::{ConsumerName, Fact, FactKind, WorkEntry};
use redis_store::Stream;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Where an entry is pending; ids are unique only within a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LeaseKey {
    pub(crate) stream: Stream,
    pub(crate) entry_id: String,
}

struct Lease {
    entry: Option<Arc<WorkEntry>>,
    leased_at: Instant,
    renewed_at: Instant,
    start_told: bool,
    settling: bool,
    lost: CancellationToken,
}

/// The leases of one process. Every method is one short lock.
#[derive(Default)]
pub(crate) struct Held(Mutex<HashMap<LeaseKey, Lease>>);

impl Held {
    /// Takes an entry in; the token fires when its lease is lost. `None` if it is held already.
    pub(crate) fn insert(
        &self,
        key: LeaseKey,
        entry: Option<Arc<WorkEntry>>,
        leased_at: Instant,
    ) -> Option<CancellationToken> {
        let mut leases = self.lock();
        if leases.contains_key(&key) {
            return None;
        }
        let lost = CancellationToken::new();
        let token = lost.clone();
        let lease = Lease { entry, leased_at, renewed_at: leased_at, start_told: false, settling: false, lost };
        leases.insert(key, lease);
        Some(token)
    }

    /// The attempt is over; its lease is kept until Redis has answered.
    pub(crate) fn settling(&self, key: &LeaseKey) {
        if let Some(lease) = self.lock().get_mut(key) {
            lease.settling = true;
        }
    }

    /// Lets entries go.
    pub(crate) fn remove<'a>(&self, keys: impl IntoIterator<Item = &'a LeaseKey>) {
        let mut leases = self.lock();
        for key in keys {
            leases.remove(key);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Stops every execution that is still running and answers whose, by stream; what is settling stays.
    pub(crate) fn give_up(&self) -> BTreeMap<Stream, Vec<String>> {
        let mut streams: BTreeMap<Stream, Vec<String>> = BTreeMap::new();
        self.lock().retain(|key, lease| {
            if !lease.settling {
                lease.lost.cancel();
                streams.entry(key.stream.clone()).or_default().push(key.entry_id.clone());
            }
            lease.settling
        });
        streams
    }

    /// What was last renewed at least `age` ago, by stream.
    pub(crate) fn older_than(&self, age: Duration) -> BTreeMap<Stream, Vec<String>> {
        let mut streams: BTreeMap<Stream, Vec<String>> = BTreeMap::new();
        for (key, lease) in self.lock().iter() {
            if lease.renewed_at.elapsed() >= age {
                streams.entry(key.stream.clone()).or_default().push(key.entry_id.clone());
            }
        }
        streams
    }

    /// Entries renewed by a call that was sent at `at`.
    pub(crate) fn renewed<'a>(&self, stream: &Stream, ids: impl IntoIterator<Item = &'a String>, at: Instant) {
        let mut leases = self.lock();
        for id in ids {
            if let Some(lease) = leases.get_mut(&LeaseKey { stream: stream.clone(), entry_id: id.clone() }) {
                lease.renewed_at = lease.renewed_at.max(at);
            }
        }
    }

    /// Entries whose lease is gone: their executions stop and write nothing. Answers how many were still running.
    pub(crate) fn lose<'a>(&self, stream: &Stream, ids: impl IntoIterator<Item = &'a String>) -> usize {
        let mut leases = self.lock();
        let mut running = 0;
        for id in ids {
            let key = LeaseKey { stream: stream.clone(), entry_id: id.clone() };
            if leases.get(&key).is_some_and(|lease| !lease.settling)
                && let Some(lease) = leases.remove(&key)
            {
                lease.lost.cancel();
                running += 1;
            }
        }
        running
    }

    /// The facts `started` of attempts that have been running for `age` and were not told of, at most `count`.
    pub(crate) fn tell_started(&self, age: Duration, count: usize, by: &ConsumerName) -> Vec<Fact> {
        let mut leases = self.lock();
        let late = leases
            .values_mut()
            .filter(|lease| !lease.start_told && !lease.settling && lease.leased_at.elapsed() >= age);
        late.filter_map(|lease| {
            let entry = lease.entry.as_ref()?;
            lease.start_told = true;
            Some(fact(entry, FactKind::Started, by))
        })
        .take(count)
        .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseKey, Lease>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What this worker says of an entry; Redis sets the time.
pub(crate) fn fact(entry: &WorkEntry, kind: FactKind, by: &ConsumerName) -> Fact {
    Fact {
        task_id: entry.task_id.clone(),
        index: Some(entry.index),
        generation: entry.generation,
        kind,
        attempt: entry.attempt,
        crashes: entry.crashes,
        worker: by.clone(),
        at_ms: 0,
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_schemas::{Priority, QueueName};

    fn key(id: &str) -> LeaseKey {
        LeaseKey {
            stream: Stream { queue: QueueName::default_queue(), priority: Priority::Low },
            entry_id: id.to_owned(),
        }
    }

    #[test]
    fn a_lost_lease_stops_its_execution_but_not_one_that_is_settling() {
        let (held, now) = (Held::default(), Instant::now());
        let (running, settling) =
            (held.insert(key("1-0"), None, now).unwrap(), held.insert(key("2-0"), None, now).unwrap());
        held.settling(&key("2-0"));
        let ids = ["1-0".to_owned(), "2-0".to_owned()];
        assert_eq!(held.lose(&key("1-0").stream, &ids), 1);
        assert!(running.is_cancelled() && !settling.is_cancelled());
        assert_eq!(held.len(), 1);
    }

    #[test]
    fn an_entry_is_not_taken_twice() {
        let held = Held::default();
        assert!(held.insert(key("1-0"), None, Instant::now()).is_some());
        assert!(held.insert(key("1-0"), None, Instant::now()).is_none());
    }
}
