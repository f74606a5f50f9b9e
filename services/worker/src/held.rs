//! What this worker holds: every leased entry, from the read to the answer of the script that lets it go.

use crate::lease::{Lease, LeaseKey, Running, Stage};
use proto_schemas::{ConsumerName, Fact, FactKind, TaskId, WorkEntry};
use redis_store::Stream;
use redis_store::hand_back::Unfinished;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The leases of one process. Every method is one short lock.
#[derive(Default)]
pub(crate) struct Held(Mutex<HashMap<LeaseKey, Lease>>);

impl Held {
    /// Takes an entry in, of the task it says; the token fires when its lease is lost. `None` if it is held already.
    pub(crate) fn insert(
        &self,
        key: LeaseKey,
        task_id: Option<TaskId>,
        leased_at: Instant,
    ) -> Option<CancellationToken> {
        let mut leases = self.lock();
        if leases.contains_key(&key) {
            return None;
        }
        let lost = CancellationToken::new();
        leases.insert(key, Lease { task_id, stage: Stage::Waiting, renewed_at: leased_at, lost: lost.clone() });
        Some(lost)
    }

    pub(crate) fn contains(&self, key: &LeaseKey) -> bool {
        self.lock().contains_key(key)
    }

    /// The attempt begins; `cancelled` stops it. Says false, and it must not begin, if its lease is gone: whoever takes
    /// a lease away fires `lost` under the same lock.
    pub(crate) fn running(
        &self,
        key: &LeaseKey,
        lost: &CancellationToken,
        entry: &Arc<WorkEntry>,
        cancelled: &CancellationToken,
    ) -> bool {
        match self.lock().get_mut(key) {
            Some(lease) if !lost.is_cancelled() && lease.stage.is_executing() => {
                let (entry, since, cancelled) = (entry.clone(), Instant::now(), cancelled.clone());
                lease.stage = Stage::Running(Running { entry, since, told: false, cancelled });
                true
            }
            _ => false,
        }
    }

    /// What handlers have.
    pub(crate) fn running_entries(&self) -> Vec<(LeaseKey, Arc<WorkEntry>)> {
        let leases = self.lock();
        let running = leases.iter().filter_map(|(key, lease)| Some((key, lease.running()?)));
        running.map(|(key, it)| (key.clone(), it.entry.clone())).collect()
    }

    /// Stops those of `keys` that are running; answers how many.
    pub(crate) fn cancel<'a>(&self, keys: impl IntoIterator<Item = &'a LeaseKey>) -> usize {
        let leases = self.lock();
        let running = keys.into_iter().filter_map(|key| leases.get(key)?.running());
        running.map(|it| it.cancelled.cancel()).count()
    }

    /// The attempt is over; its lease is kept until Redis has answered. Says false if it is being settled already, or
    /// if the lease that `lost` belongs to is gone: then its outcome is nobody's, even if the same entry is held anew.
    pub(crate) fn settling(&self, key: &LeaseKey, lost: &CancellationToken) -> bool {
        match self.lock().get_mut(key) {
            Some(lease) if !lost.is_cancelled() && lease.stage.is_executing() => {
                lease.stage = Stage::Settling;
                true
            }
            _ => false,
        }
    }

    /// Leaves to a reaper what Redis does not take.
    pub(crate) fn abandon<'a>(&self, keys: impl IntoIterator<Item = &'a LeaseKey>) {
        let mut leases = self.lock();
        for key in keys {
            if let Some(lease) = leases.get_mut(key) {
                lease.stage = Stage::Abandoned;
            }
        }
    }

    /// Stops one, to be handed back as soon as Redis answers.
    pub(crate) fn set_aside(&self, key: &LeaseKey) {
        self.fence_where(|other, _| other == key);
    }

    /// The same of everything but `key`; what is settling stays.
    pub(crate) fn set_aside_all_but(&self, key: &LeaseKey) {
        self.fence_where(|other, _| other != key);
    }

    /// What was abandoned and not renewed for `age`, by stream.
    pub(crate) fn abandoned(&self, age: Duration) -> BTreeMap<Stream, Vec<String>> {
        self.by_stream(|lease| matches!(lease.stage, Stage::Abandoned) && lease.renewed_at.elapsed() >= age)
    }

    /// Lets entries go.
    pub(crate) fn remove<'a>(&self, keys: impl IntoIterator<Item = &'a LeaseKey>) {
        let mut leases = self.lock();
        for key in keys {
            leases.remove(key);
        }
    }

    /// How many outcomes wait for the answer of Redis.
    pub(crate) fn count_settling(&self) -> usize {
        self.lock().values().filter(|lease| matches!(lease.stage, Stage::Settling)).count()
    }

    /// How many attempts are running.
    pub(crate) fn count_running(&self) -> usize {
        self.lock().values().filter_map(Lease::running).count()
    }

    /// Stops every execution that has not ended and answers whose, by stream, to be handed back; what is settling
    /// stays.
    pub(crate) fn give_up(&self) -> BTreeMap<Stream, Vec<Unfinished>> {
        let mut streams: BTreeMap<Stream, Vec<Unfinished>> = BTreeMap::new();
        self.lock().retain(|key, lease| {
            let stays = matches!(lease.stage, Stage::Settling | Stage::Abandoned);
            if !stays {
                lease.lost.cancel();
                streams.entry(key.stream.clone()).or_default().push(lease.unfinished(key));
            }
            stays
        });
        streams
    }

    /// Whose lease is kept and was last renewed at least `age` ago, by stream.
    pub(crate) fn older_than(&self, age: Duration) -> BTreeMap<Stream, Vec<String>> {
        self.by_stream(|lease| {
            !matches!(lease.stage, Stage::Fenced | Stage::Abandoned) && lease.renewed_at.elapsed() >= age
        })
    }

    /// Stops every execution whose lease is `age` old, because nobody knows whether it still holds; answers how many.
    pub(crate) fn fence(&self, age: Duration) -> usize {
        self.fence_where(|_, lease| lease.renewed_at.elapsed() >= age)
    }

    fn fence_where(&self, chosen: impl Fn(&LeaseKey, &Lease) -> bool) -> usize {
        let mut leases = self.lock();
        let executing = leases.iter_mut().filter(|(key, lease)| lease.stage.is_executing() && chosen(key, lease));
        let fenced = executing.map(|(_, lease)| {
            lease.stage = Stage::Fenced;
            lease.lost.cancel();
        });
        fenced.count()
    }

    /// What was fenced and is not handed back yet, by stream.
    pub(crate) fn fenced(&self) -> BTreeMap<Stream, Vec<Unfinished>> {
        let mut streams: BTreeMap<Stream, Vec<Unfinished>> = BTreeMap::new();
        for (key, lease) in self.lock().iter().filter(|(_, lease)| matches!(lease.stage, Stage::Fenced)) {
            streams.entry(key.stream.clone()).or_default().push(lease.unfinished(key));
        }
        streams
    }

    fn by_stream(&self, chosen: impl Fn(&Lease) -> bool) -> BTreeMap<Stream, Vec<String>> {
        let mut streams: BTreeMap<Stream, Vec<String>> = BTreeMap::new();
        for (key, _) in self.lock().iter().filter(|(_, lease)| chosen(lease)) {
            streams.entry(key.stream.clone()).or_default().push(key.entry_id.clone());
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

    /// Entries whose lease is gone: their executions stop and write nothing. Answers how many had not ended.
    pub(crate) fn lose<'a>(&self, stream: &Stream, ids: impl IntoIterator<Item = &'a String>) -> usize {
        let mut leases = self.lock();
        let mut lost = 0;
        for id in ids {
            let key = LeaseKey { stream: stream.clone(), entry_id: id.clone() };
            if leases.get(&key).is_some_and(|lease| lease.stage.is_executing())
                && let Some(lease) = leases.remove(&key)
            {
                lease.lost.cancel();
                lost += 1;
            }
        }
        lost
    }

    /// The facts `started` of attempts that have been running for `age` and were not told of, at most `count`.
    pub(crate) fn tell_started(&self, age: Duration, count: usize, by: &ConsumerName) -> Vec<Fact> {
        let mut leases = self.lock();
        let untold = leases.values_mut().filter_map(|lease| match &mut lease.stage {
            Stage::Running(running) if !running.told && running.since.elapsed() >= age => {
                running.told = true;
                Some(fact(&running.entry, FactKind::Started, by))
            }
            _ => None,
        });
        untold.take(count).collect()
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
        last: None,
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

    /// What is handed back when `id` is.
    fn of(id: &str) -> BTreeMap<Stream, Vec<Unfinished>> {
        BTreeMap::from([(key(id).stream, vec![Unfinished { entry_id: id.to_owned(), task_id: None }])])
    }

    fn entry() -> Arc<WorkEntry> {
        let fields = [("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")];
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        Arc::new(WorkEntry::decode(fields, Priority::Low).unwrap())
    }

    #[test]
    fn a_lost_lease_stops_its_execution_but_not_one_that_is_settling() {
        let (held, now) = (Held::default(), Instant::now());
        let (running, settling) =
            (held.insert(key("1-0"), None, now).unwrap(), held.insert(key("2-0"), None, now).unwrap());
        assert!(held.settling(&key("2-0"), &settling));
        let ids = ["1-0".to_owned(), "2-0".to_owned()];
        assert_eq!(held.lose(&key("1-0").stream, &ids), 1);
        assert!(running.is_cancelled() && !settling.is_cancelled());
        assert!(!held.contains(&key("1-0")) && held.contains(&key("2-0")));
    }

    #[test]
    fn an_entry_is_not_taken_twice() {
        let held = Held::default();
        assert!(held.insert(key("1-0"), None, Instant::now()).is_some());
        assert!(held.insert(key("1-0"), None, Instant::now()).is_none());
    }

    #[test]
    fn an_attempt_that_lost_its_lease_cannot_settle_even_if_its_entry_is_held_anew() {
        let held = Held::default();
        let first = held.insert(key("1-0"), None, Instant::now()).unwrap();
        held.lose(&key("1-0").stream, &["1-0".to_owned()]);
        assert!(!held.settling(&key("1-0"), &first));
        let second = held.insert(key("1-0"), None, Instant::now()).unwrap();
        assert!(!held.settling(&key("1-0"), &first) && held.settling(&key("1-0"), &second));
    }

    #[test]
    fn only_what_a_handler_has_is_told_of_and_only_once() {
        let (held, by) = (Held::default(), ConsumerName::new("w").unwrap());
        for id in ["1-0", "2-0", "3-0"] {
            held.insert(key(id), None, Instant::now()).unwrap();
        }
        assert!(held.tell_started(Duration::ZERO, 10, &by).is_empty());
        for id in ["1-0", "2-0"] {
            let (lost, cancelled) = (CancellationToken::new(), CancellationToken::new());
            assert!(held.running(&key(id), &lost, &entry(), &cancelled));
        }
        assert_eq!(held.count_running(), 2);
        assert!(held.tell_started(Duration::from_secs(60), 10, &by).is_empty());
        assert_eq!(held.tell_started(Duration::ZERO, 1, &by).len(), 1);
        assert_eq!(held.tell_started(Duration::ZERO, 10, &by).len(), 1);
        assert!(held.tell_started(Duration::ZERO, 10, &by).is_empty());
    }

    #[test]
    fn what_is_given_up_may_be_handed_back_and_what_settles_may_not() {
        let held = Held::default();
        let running = held.insert(key("1-0"), None, Instant::now()).unwrap();
        let settling = held.insert(key("2-0"), None, Instant::now()).unwrap();
        held.settling(&key("2-0"), &settling);
        assert_eq!(held.give_up(), of("1-0"));
        assert!(running.is_cancelled() && held.contains(&key("2-0")));
    }

    #[test]
    fn what_is_fenced_is_stopped_and_kept_until_it_is_handed_back() {
        let held = Held::default();
        let running = held.insert(key("1-0"), None, Instant::now()).unwrap();
        let settling = held.insert(key("2-0"), None, Instant::now()).unwrap();
        held.settling(&key("2-0"), &settling);
        assert_eq!(held.fence(Duration::from_secs(60)), 0);
        assert_eq!((held.fence(Duration::ZERO), held.fence(Duration::ZERO)), (1, 0));
        assert!(running.is_cancelled() && !settling.is_cancelled());
        assert!(!held.settling(&key("1-0"), &running), "it has nothing to say any more");
        let settling = BTreeMap::from([(key("2-0").stream, vec!["2-0".to_owned()])]);
        assert_eq!((held.fenced(), held.older_than(Duration::ZERO)), (of("1-0"), settling));
        assert!(held.insert(key("1-0"), None, Instant::now()).is_none(), "nor is it run again meanwhile");
        assert_eq!(held.give_up(), of("1-0"));
    }

    #[test]
    fn a_cancel_stops_the_attempts_it_is_told_and_no_others() {
        let (held, stop, other) = (Held::default(), CancellationToken::new(), CancellationToken::new());
        for (id, stop) in [("1-0", &stop), ("2-0", &other)] {
            held.insert(key(id), None, Instant::now()).unwrap();
            assert!(held.running(&key(id), &CancellationToken::new(), &entry(), stop));
        }
        held.insert(key("3-0"), None, Instant::now()).unwrap();
        let mut running: Vec<String> = held.running_entries().into_iter().map(|(key, _)| key.entry_id).collect();
        running.sort();
        assert_eq!(running, ["1-0", "2-0"]);
        assert_eq!(held.cancel(&[key("1-0"), key("3-0"), key("4-0")]), 1);
        assert!(stop.is_cancelled() && !other.is_cancelled());
    }

    #[test]
    fn all_but_one_may_be_given_up() {
        let held = Held::default();
        let (one, other) =
            (held.insert(key("1-0"), None, Instant::now()), held.insert(key("2-0"), None, Instant::now()));
        let (one, other) = (one.unwrap(), other.unwrap());
        held.set_aside_all_but(&key("2-0"));
        assert_eq!(held.fenced(), of("1-0"), "and is known until it is handed back");
        assert!(one.is_cancelled() && !other.is_cancelled() && held.contains(&key("1-0")));
    }

    #[test]
    fn an_attempt_whose_lease_is_gone_does_not_begin_even_if_its_entry_is_held_anew() {
        let (held, cancelled) = (Held::default(), CancellationToken::new());
        let first = held.insert(key("1-0"), None, Instant::now()).unwrap();
        held.lose(&key("1-0").stream, &["1-0".to_owned()]);
        let second = held.insert(key("1-0"), None, Instant::now()).unwrap();
        assert!(!held.running(&key("1-0"), &first, &entry(), &cancelled));
        assert!(held.running(&key("1-0"), &second, &entry(), &cancelled));
        held.set_aside(&key("1-0"));
        assert!(!held.running(&key("1-0"), &second, &entry(), &cancelled), "nor if it is to be handed back");
    }

    #[test]
    fn what_redis_refuses_to_record_is_neither_run_again_nor_renewed_nor_handed_back() {
        let held = Held::default();
        let lost = held.insert(key("1-0"), None, Instant::now()).unwrap();
        assert!(held.settling(&key("1-0"), &lost));
        held.abandon(&[key("1-0")]);
        assert!(held.insert(key("1-0"), None, Instant::now()).is_none());
        assert!(held.older_than(Duration::ZERO).is_empty() && held.fenced().is_empty() && held.give_up().is_empty());
        assert!(held.abandoned(Duration::from_secs(60)).is_empty());
        assert_eq!(held.abandoned(Duration::ZERO).into_values().collect::<Vec<_>>(), [["1-0"]]);
    }
}
