//! What every test stands on: a server of its own, a store, short ways to make entries, and a projector that runs.

use projector::Config;
use proto_schemas::{
    ConsumerName, Fact, FactKind, OnFailure, Parent, Priority, QueueName, SubtaskDefinition, Task, TaskId, TaskStatus,
};
use redis_store::fetch::Fetched;
use redis_store::requeue::{RequeueItem, RequeueOrder, Requeued};
use redis_store::retry::{Retried, Retry};
use redis_store::settle::{Settled, Settlement};
use redis_store::submit::{Admission, Submission, Submitted};
use redis_store::{RedisConfig, Store, Stream};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use system_tests::redis::{PrivateRedis, Reply};
use telemetry::Pulse;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

pub const TTL: Duration = Duration::from_secs(604_800);
pub const SOON: Duration = Duration::from_secs(20);
pub const MEDIUM: &str = "subtasks:default:medium";
const ADMISSION: Admission = Admission { backlog_max: 1_000_000, deadline: TTL };

/// What the loops of a test log, as lines; only on the test's own thread, where they run.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Listens until the guard is dropped.
    pub fn listen() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// How many lines contain `text`.
    pub fn count(&self, text: &str) -> usize {
        let bytes = self.0.lock().expect("no panic").clone();
        String::from_utf8_lossy(&bytes).lines().filter(|line| line.contains(text)).count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One server and one store on it.
pub struct Stage {
    pub redis: PrivateRedis,
    pub store: Store,
}

/// A projector at work; dropping it aborts it wherever it stands.
pub struct Running {
    pub pulse: Pulse,
    pub consumer: ConsumerName,
    shutdown: CancellationToken,
    task: Option<JoinHandle<()>>,
}

pub async fn stage() -> Stage {
    let redis = PrivateRedis::start().expect("a redis of our own");
    let config = RedisConfig { url: redis.url().into(), patience: Duration::from_secs(5) };
    let store = Store::connect(&config).expect("a valid address");
    assert!(store.wait_connected(Duration::from_secs(5)).await);
    store.create_worker_groups(&QueueName::default_queue()).await.expect("groups");
    store.create_projector_group().await.expect("a group");
    Stage { redis, store }
}

pub fn name(text: &str) -> ConsumerName {
    ConsumerName::new(text).expect("a name")
}

pub fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("an id")
}

/// Looks until `look` answers something; panics with `what` when `deadline` passes.
pub async fn eventually<T>(deadline: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A configuration that leaves no test waiting.
pub fn config(consumer: &str) -> Config {
    Config {
        consumer: name(consumer),
        task_ttl: TTL,
        claim_idle: Duration::from_millis(200),
        trim_every: Duration::from_millis(50),
        ..Config::default()
    }
}

impl Running {
    /// Asks it to stop; answers how long it took.
    pub async fn stop(mut self) -> Duration {
        let started = Instant::now();
        self.shutdown.cancel();
        self.task.take().expect("it runs").await.expect("no panic");
        started.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Stage {
    pub fn start(&self, config: Config) -> Running {
        let (pulse, shutdown, consumer) = (Pulse::default(), CancellationToken::new(), config.consumer.clone());
        let run = projector::run(config, self.store.clone(), pulse.clone(), shutdown.clone());
        Running { pulse, consumer, shutdown, task: Some(tokio::spawn(run)) }
    }

    pub async fn submit(&self, task: &str, count: usize) {
        let subtasks = (0..count).map(|index| definition(&format!("step {index}"))).collect();
        self.submit_plan(task, subtasks).await;
    }

    pub async fn submit_plan(&self, task: &str, subtasks: Vec<SubtaskDefinition>) {
        let submission = Submission::new(id(task), name("api"), "a task".to_owned(), subtasks);
        assert_eq!(self.store.submit(&submission, ADMISSION).await.expect("an answer"), Submitted::Created);
    }

    pub async fn fetch(&self, consumer: &str, count: usize) -> Vec<Fetched> {
        let streams = Stream::of(&QueueName::default_queue());
        self.store.fetch(&name(consumer), &streams, count).await.expect("entries")
    }

    /// Settles what `worker` was given; in one script call, so it becomes one entry of the log.
    pub async fn settle(&self, worker: &str, fetched: &[Fetched], kind: FactKind) {
        let batch: Vec<_> = fetched.iter().map(|entry| settlement(entry, worker, kind)).collect();
        let settled = self.store.settle(&name(worker), &batch).await.expect("answers");
        assert!(settled.iter().all(|answer| *answer == Settled::Recorded));
    }

    /// Fetches and completes everything that waits, as far as it has not ended already.
    pub async fn complete_all(&self) -> usize {
        let mut completed = 0;
        loop {
            let fetched = self.fetch("w", 128).await;
            if fetched.is_empty() {
                return completed;
            }
            let batch: Vec<_> = fetched.iter().map(|entry| settlement(entry, "w", FactKind::Completed)).collect();
            self.store.settle(&name("w"), &batch).await.expect("answers");
            completed += fetched.len();
        }
    }

    /// Schedules another attempt of what `worker` was given.
    pub async fn retry(&self, worker: &str, fetched: &[Fetched], delay: Duration) {
        let items = retries(fetched, delay.as_millis() as u64);
        let answers = self.store.retry(&name(worker), &items).await.expect("answers");
        assert!(answers.iter().all(|answer| *answer == Retried::Scheduled));
    }

    /// Opens the next generation of a subtask without dependencies.
    pub async fn requeue(&self, task: &str, index: u32, generation: u32) {
        let found = self.task(task).await;
        let definition = &found.subtasks[index as usize];
        let entry = definition.first_attempt(&found.task_id, index).expect("an id");
        let items = vec![RequeueItem { entry, generation, definition, edges: String::new() }];
        let order = RequeueOrder { task_id: &found.task_id, deadline: TTL, items, dead_letter: None };
        assert_eq!(self.store.requeue(&name("api"), &order).await.expect("an answer"), Requeued::Requeued);
    }

    /// Opens the next generation of everything in a task without dependencies that has ended.
    pub async fn run_again(&self, task: &Task) {
        let outcomes = self.store.task(&task.task_id).await.expect("a read").expect("a task").outcomes;
        let generation =
            |index: u32| outcomes.get(&format!("g:{index}")).map_or(0, |text| text.parse().expect("a number"));
        let item = |(index, definition): (u32, _)| {
            let entry = SubtaskDefinition::first_attempt(definition, &task.task_id, index).expect("an id");
            RequeueItem { entry, generation: generation(index), definition, edges: String::new() }
        };
        let items = (0..).zip(&task.subtasks).map(item).collect();
        let order = RequeueOrder { task_id: &task.task_id, deadline: TTL, items, dead_letter: None };
        self.store.requeue(&name("api"), &order).await.expect("an answer");
    }

    /// Folds everything that is not folded, without a projector that runs.
    pub async fn fold(&self) {
        let read = self.store.read_events(&name("p"), 1_000, Duration::from_millis(1)).await.expect("entries");
        self.store.fold(&name("p"), TTL, &read).await.expect("counts");
    }

    pub async fn task(&self, task: &str) -> Task {
        self.store.task(&id(task)).await.expect("a read").expect("a task").task
    }

    /// Waits until the task has `status`.
    pub async fn until(&self, task: &str, status: TaskStatus) -> Task {
        let what = format!("{task} is {status}");
        eventually(SOON, &what, async || Some(self.task(task).await).filter(|task| task.status == status)).await
    }

    /// Waits until the projectors have folded and acknowledged everything.
    pub async fn until_folded(&self) {
        let last = self.command("XREVRANGE events + - COUNT 1").items()[0].items()[0].text();
        eventually(SOON, "everything is folded", async || {
            let groups = self.store.event_groups().await.expect("groups");
            let group = groups.iter().find(|group| group.name == "projector")?;
            (group.pending == 0 && group.last_delivered_id == last).then_some(())
        })
        .await;
    }

    /// A command by hand, its words separated by spaces.
    #[track_caller]
    pub fn command(&self, line: &str) -> Reply {
        self.words(&line.split(' ').collect::<Vec<_>>())
    }

    /// A command by hand.
    #[track_caller]
    pub fn words(&self, words: &[&str]) -> Reply {
        let reply = self.redis.command(words);
        assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
        reply
    }

    /// How often a command was called, as Redis counts.
    pub fn calls(&self, command: &str) -> u64 {
        let (text, head) = (self.command("INFO commandstats").text(), format!("cmdstat_{command}:calls="));
        let count = text.lines().find_map(|line| line.strip_prefix(&head)).and_then(|rest| rest.split(',').next());
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// A hash as sorted lines.
    pub fn hash(&self, key: &str) -> Vec<String> {
        let reply = self.words(&["HGETALL", key]);
        let mut lines: Vec<String> =
            reply.items().chunks(2).map(|pair| format!("{}={}", pair[0].text(), pair[1].text())).collect();
        lines.sort();
        lines
    }
}

pub fn definition(description: &str) -> SubtaskDefinition {
    SubtaskDefinition::new("simulate".parse().expect("a kind"), description, Priority::Medium)
}

/// The same, waiting for others: the index and what a bad end of it means.
pub fn dependant(description: &str, parents: &[(u32, OnFailure)]) -> SubtaskDefinition {
    let parent = |&(index, on_failure): &(u32, OnFailure)| {
        let name = format!("step-{index}").parse().expect("a name");
        Parent { name, index, on_failure }
    };
    SubtaskDefinition { depends_on: parents.iter().map(parent).collect(), ..definition(description) }
}

pub fn retries(fetched: &[Fetched], delay_ms: u64) -> Vec<Retry> {
    let retry = |entry: &Fetched| Retry {
        stream: entry.stream.clone(),
        entry_id: entry.entry_id.clone(),
        task_id: entry.entry.as_ref().expect("a sound entry").task_id.clone(),
        delay: Duration::from_millis(delay_ms),
        reason: "broken".parse().expect("a word"),
    };
    fetched.iter().map(retry).collect()
}

pub fn settlement(fetched: &Fetched, by: &str, kind: FactKind) -> Settlement {
    let entry = fetched.entry.as_ref().expect("a sound entry");
    Settlement {
        stream: fetched.stream.clone(),
        entry_id: fetched.entry_id.clone(),
        subtask_id: entry.subtask_id.clone(),
        fact: Fact { generation: entry.generation, ..fact(entry.task_id.as_str(), entry.index, by, kind) },
        result: None,
        result_ttl: Duration::from_secs(86_400),
    }
}

pub fn fact(task: &str, index: u32, by: &str, kind: FactKind) -> Fact {
    let (task_id, worker) = (id(task), name(by));
    Fact {
        task_id,
        index: Some(index),
        last: None,
        generation: 0,
        kind,
        attempt: 1,
        crashes: 0,
        worker,
        at_ms: 0,
        reason: None,
    }
}
