//! A Redis, the books it must agree with, and the random choices of a run.

use crate::{snapshot, workers};
use proto_schemas::{ConsumerName, Fact, Kind, TaskId};
use redis_store::events::EventEntry;
use redis_store::{RedisConfig, Store, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::Duration;
use system_tests::redis::{Connection, PrivateRedis, Reply};
use task_core::law::identity::{Attempt, identify, read_lines};
use task_core::law::{Books, EntryId, Fields, Moment, StreamName};

/// How far ages may be off, and less than any distance between two times that matter.
const TOLERANCE_MS: u64 = 60_000;

/// An entry that was once handed to a worker, who may act on it at any time.
#[derive(Debug, Clone)]
pub struct Leased {
    pub stream: StreamName,
    pub entry_id: EntryId,
    pub fields: Fields,
}

impl Leased {
    /// What an honest worker says of it; nothing of what cannot be read.
    pub fn fact(&self, word: &str) -> Option<Fact> {
        let Attempt { task_id, index, generation, attempt, crashes, .. } = identify(&self.fields).known()?;
        Fact::decode(&format!("{task_id} {index} {generation} {word} {attempt} {crashes} w1 1")).ok()
    }
}

pub struct World {
    pub books: Books,
    pub random: fastrand::Rng,
    pub leased: Vec<Leased>,
    pub read: Vec<EventEntry>,
    seed: u64,
    pub tally: BTreeMap<String, u64>,
    said: String,
    runtime: tokio::runtime::Runtime,
    store: Store,
    connection: Connection,
    _redis: PrivateRedis,
}

impl World {
    pub fn start(seed: u64) -> Self {
        println!("SEED={seed}");
        let redis = PrivateRedis::start().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = RedisConfig { url: redis.url().into(), patience: Duration::from_secs(10) };
        let store = {
            let _inside = runtime.enter();
            Store::connect(&config).unwrap()
        };
        assert!(runtime.block_on(store.wait_connected(Duration::from_secs(10))));
        Self {
            books: Books::default(),
            random: fastrand::Rng::with_seed(seed),
            leased: Vec::new(),
            read: Vec::new(),
            seed,
            tally: BTreeMap::new(),
            said: String::new(),
            runtime,
            store,
            connection: redis.connect().unwrap(),
            _redis: redis,
        }
    }

    /// Nothing but the log's group and the groups of the first queue.
    pub fn begin_history(&mut self) {
        self.stranger(&["FLUSHALL"]);
        (self.books, self.leased, self.read) = (Books::default(), Vec::new(), Vec::new());
        self.run(async |store| store.create_projector_group().await);
        self.books.create_group(&StreamName::Events);
        workers::create_groups(self, &snapshot::queues()[0]);
        self.compare();
    }

    /// Runs a script through the store and its law on the books; answers and all keys must agree.
    pub fn call<R: Debug, L: Debug>(
        &mut self,
        order: &(impl Debug + ?Sized),
        script: impl AsyncFnOnce(&Store) -> Result<R, StoreError>,
        law: impl FnOnce(&mut Books, &mut Moment) -> L,
    ) -> R {
        self.said = format!("{order:?}");
        let before_ms = snapshot::now_ms(&mut self.connection);
        let answer = self.run(script);
        let real = snapshot::take(&mut self.connection);
        let after_ms = snapshot::now_ms(&mut self.connection);
        let mut moment = self.moment(&real, before_ms..=after_ms);
        let lawful = law(&mut self.books, &mut moment);
        assert_eq!(format!("{answer:?}"), format!("{lawful:?}"), "{}: script and law answer differently", self.place());
        assert!(moment.is_used_up(), "{}: more was appended than the law knows", self.place());
        self.compare_with(real);
        answer
    }

    /// Takes over everything that is there, as a stranger left it.
    pub fn accept_all(&mut self) {
        self.books = snapshot::take(&mut self.connection);
    }

    /// All keys must agree with the books.
    pub fn compare(&mut self) {
        let real = snapshot::take(&mut self.connection);
        self.compare_with(real);
    }

    fn compare_with(&mut self, mut real: Books) {
        let now_ms = snapshot::now_ms(&mut self.connection);
        snapshot::align(&mut real, &mut self.books, now_ms, TOLERANCE_MS);
        if real != self.books {
            let (real, law) = (format!("{real:#?}"), format!("{:#?}", self.books));
            let (real, law): (Vec<&str>, Vec<&str>) = (real.lines().collect(), law.lines().collect());
            let at = real.iter().zip(&law).position(|(real, law)| real != law).unwrap_or(0);
            let part = |lines: &[&str]| lines[at.saturating_sub(30)..(at + 12).min(lines.len())].join("\n");
            panic!("{}\nredis:\n{}\nlaw:\n{}", self.place(), part(&real), part(&law));
        }
    }

    /// What the server decided: the ids it gave out, the time that it wrote into the log, how many dead letters it says
    /// that it trimmed. A time that was not during the call is not its own: an end is told again with that of its
    /// record.
    fn moment(&self, real: &Books, during: RangeInclusive<u64>) -> Moment {
        let mut ids: BTreeMap<StreamName, VecDeque<EntryId>> = BTreeMap::new();
        for (name, stream) in &real.streams {
            let last_id = self.books.streams.get(name).map(|known| known.last_id).unwrap_or_default();
            ids.insert(name.clone(), stream.entries.keys().filter(|&&id| id > last_id).copied().collect());
        }
        let told = ids.get(&StreamName::Events).and_then(VecDeque::back);
        let lines = told.map(|id| read_lines(&real.streams[&StreamName::Events].entries[id])).unwrap_or_default();
        let told = lines.iter().flatten().map(|fact| fact.at_ms).rfind(|at_ms| during.contains(at_ms));
        let now_ms = told.unwrap_or(*during.start());
        let trimmed = real.dead_letters_trimmed - self.books.dead_letters_trimmed;
        Moment::with_ids(now_ms, ids).trimming(trimmed as usize)
    }

    fn place(&self) -> String {
        format!("SEED={} after {}", self.seed, self.said)
    }

    /// One call of the store that is not under test.
    pub fn run<R>(&mut self, call: impl AsyncFnOnce(&Store) -> Result<R, StoreError>) -> R {
        self.runtime.block_on(call(&self.store)).unwrap()
    }

    /// One command of a stranger; an error reply is a panic.
    pub fn stranger<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        let reply = self.connection.command(arguments).unwrap();
        assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        reply
    }

    pub fn now_ms(&mut self) -> u64 {
        snapshot::now_ms(&mut self.connection)
    }

    /// Counts an answer.
    pub fn count(&mut self, answer: impl Into<String>, times: u64) {
        if times > 0 {
            *self.tally.entry(answer.into()).or_default() += times;
        }
    }

    /// How often a call is sent: sometimes twice, as after a lost reply.
    pub fn sendings(&mut self) -> usize {
        1 + usize::from(self.random.u8(..3) == 0)
    }

    pub fn pick<T: Clone>(&mut self, items: impl IntoIterator<Item = T>) -> T {
        let items: Vec<T> = items.into_iter().collect();
        items[self.random.usize(..items.len())].clone()
    }

    pub fn consumer(&mut self) -> ConsumerName {
        self.pick(snapshot::consumers())
    }

    /// A reason, sometimes too long for a record.
    pub fn reason(&mut self) -> Kind {
        let text = self.pick(["timeout".to_owned(), "x".repeat(60), "a.b-c_D9".to_owned()]);
        Kind::new(text).unwrap()
    }

    /// What a worker may act on: mostly what is still pending, else whatever it was once given.
    pub fn leases(&mut self, fits: impl Fn(&Leased) -> bool) -> Vec<Leased> {
        let known: Vec<Leased> = self.leased.iter().filter(|leased| fits(leased)).cloned().collect();
        let pending = |leased: &&Leased| {
            let group = self.books.streams[&leased.stream].group.as_ref();
            group.is_some_and(|group| group.pending.contains_key(&leased.entry_id))
        };
        let pending: Vec<Leased> = known.iter().filter(pending).cloned().collect();
        let mut picked = Vec::new();
        for _ in 0..self.random.usize(1..6) {
            let among = if pending.is_empty() || self.random.u8(..3) == 0 { &known } else { &pending };
            picked.extend(self.random.choice(among).cloned());
        }
        picked
    }

    /// Ids that a worker may name in `stream`: of its leases, of an entry that it never read, of none that ever was.
    pub fn entry_ids(&mut self, stream: &StreamName) -> Vec<EntryId> {
        let mut ids: Vec<EntryId> =
            self.leases(|leased| leased.stream == *stream).iter().map(|leased| leased.entry_id).collect();
        if self.random.u8(..4) == 0 {
            ids.push(EntryId { ms: 5, sequence: 5 });
            ids.extend(self.books.streams.get(stream).and_then(|stream| stream.entries.keys().next_back()));
        }
        self.random.shuffle(&mut ids);
        ids
    }

    /// Counts the answers of a batch.
    pub fn count_each(&mut self, script: &str, answers: &[impl Debug]) {
        for answer in answers {
            self.count(format!("{script} {answer:?}"), 1);
        }
    }

    /// A task, mostly one that there is.
    pub fn task_id(&mut self) -> TaskId {
        let known: Vec<TaskId> = self.books.tasks.keys().cloned().collect();
        let known = self.random.choice(known).filter(|_| self.random.u8(..8) > 0);
        known.unwrap_or_else(|| "nobody".parse().unwrap())
    }

    /// A stream of work, mostly one in which something is pending.
    pub fn work_stream(&mut self) -> StreamName {
        let busy = |name: &StreamName| {
            let stream = self.books.streams.get(name);
            stream.and_then(|stream| stream.group.as_ref()).is_some_and(|group| !group.pending.is_empty())
        };
        let (all, busy) =
            (snapshot::work_streams(), snapshot::work_streams().into_iter().filter(busy).collect::<Vec<_>>());
        if busy.is_empty() || self.random.u8(..4) == 0 { self.pick(all) } else { self.pick(busy) }
    }
}
