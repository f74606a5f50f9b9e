//! What everybody shares: a Redis, the random choices of a history, and what is written down of it.

use crate::ledger::Ledger;
use crate::tally::{Tally, Trace};
use proto_schemas::{ConsumerName, QueueName};
use redis_store::{RedisConfig, Store, Stream};
use std::time::Duration;
use system_tests::redis::{Connection, PrivateRedis, Reply};

/// How long a lease lasts: it ends when the history says so, not while a busy machine sleeps.
pub const LEASE: Duration = Duration::from_secs(1_800);
/// How long a task outlives its end.
pub const TASK_TTL: Duration = Duration::from_secs(604_800);
/// A log that outlives a kill of Redis; that it outlives a loss of power is another's test.
const LOG: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "no"];
/// How long anything may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub random: fastrand::Rng,
    pub store: Store,
    /// The projectors' connection: their reads block.
    pub reader: Store,
    pub ledger: Ledger,
    pub tally: Tally,
    pub trace: Trace,
    /// Whether its Redis writes a log as it goes, and not only snapshots when it is told to.
    pub keeps_a_log: bool,
    connection: Connection,
    names: u64,
    redis: PrivateRedis,
}

impl World {
    /// An empty Redis of its own.
    pub async fn start(seed: u64, trace: Trace) -> Self {
        let keeps_a_log = seed % 2 == 1;
        let redis = if keeps_a_log { PrivateRedis::start_with(&LOG) } else { PrivateRedis::start() }.unwrap();
        let store = Store::connect(&RedisConfig { url: redis.url().into(), patience: PATIENCE }).unwrap();
        let reader = store.connect_again();
        assert!(store.wait_connected(PATIENCE).await && reader.wait_connected(PATIENCE).await);
        for queue in queues() {
            store.create_worker_groups(&queue).await.unwrap();
        }
        store.create_projector_group().await.unwrap();
        Self {
            random: fastrand::Rng::with_seed(seed),
            store,
            reader,
            ledger: Ledger::default(),
            tally: Tally::default(),
            trace,
            keeps_a_log,
            connection: redis.connect().unwrap(),
            names: 0,
            redis,
        }
    }

    /// Has Redis write all it has, kills it and starts it again; the stores connect again by themselves.
    pub fn restart_redis(&mut self) {
        if self.keeps_a_log {
            self.redis.rewrite_log();
        } else {
            self.stranger(&["SAVE"]);
        }
        self.redis.restart().unwrap();
        self.connection = self.redis.connect().unwrap();
    }

    /// One command of a stranger; an error reply is a panic.
    pub fn stranger<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        let reply = self.connection.command(arguments).unwrap();
        assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        reply
    }

    /// A name that nobody had before.
    pub fn name(&mut self, role: &str) -> ConsumerName {
        self.names += 1;
        ConsumerName::new(format!("{role}-{}", self.names)).unwrap()
    }

    /// Whether it happens, once in `times`.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.random.u32(..times) == 0
    }

    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.random.usize(..items.len())].clone()
    }

    /// Takes some of `items` out of it, at least one if there is any and at most `most`.
    pub fn take_some<T>(&mut self, items: &mut Vec<T>, most: usize) -> Vec<T> {
        self.random.shuffle(items);
        let count = self.random.usize(1..=most).min(items.len());
        items.split_off(items.len() - count)
    }
}

/// The queues in use.
pub fn queues() -> [QueueName; 2] {
    [QueueName::default_queue(), QueueName::new("other").unwrap()]
}

/// Every stream of work.
pub fn streams() -> Vec<Stream> {
    queues().iter().flat_map(Stream::of).collect()
}
