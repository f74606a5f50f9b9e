//! What every test stands on: a server of its own, a store, and short ways to make entries and to look at them.

use crate::state;
use proto_schemas::{ConsumerName, Fact, FactKind, Parent, Priority, QueueName, SubtaskDefinition, TaskId};
use redis_store::events::EventEntry;
use redis_store::fetch::Fetched;
use redis_store::fold::FoldCounts;
use redis_store::submit::{Admission, Submission, Submitted};
use redis_store::{RedisConfig, Store, StoreError, Stream, settle::Settlement};
use std::time::Duration;
use system_tests::redis::{PrivateRedis, Reply};

/// One server and one store on it.
pub struct Stage {
    pub redis: PrivateRedis,
    pub store: Store,
    pub queue: QueueName,
}

pub const ADMISSION: Admission = Admission { backlog_max: 1_000_000, deadline: Duration::from_secs(604_800) };
pub const TTL: Duration = Duration::from_secs(604_800);
pub const MEDIUM: &str = "subtasks:default:medium";

pub async fn stage() -> Stage {
    stage_on(PrivateRedis::start().expect("a redis of our own")).await
}

pub async fn stage_on(redis: PrivateRedis) -> Stage {
    let store = store_at(&redis.url(), Duration::from_secs(5));
    assert!(store.wait_connected(Duration::from_secs(5)).await);
    let queue = QueueName::default_queue();
    store.create_worker_groups(&queue).await.expect("groups");
    store.create_projector_group().await.expect("group");
    Stage { redis, store, queue }
}

pub fn store_at(url: &str, patience: Duration) -> Store {
    Store::connect(&RedisConfig { url: url.to_owned().into(), patience }).expect("a valid address")
}

pub fn name(text: &str) -> ConsumerName {
    ConsumerName::new(text).expect("a name")
}

pub fn task_id(text: &str) -> TaskId {
    TaskId::new(text).expect("an id")
}

pub fn medium() -> Stream {
    Stream { queue: QueueName::default_queue(), priority: Priority::Medium }
}

pub fn definition(description: &str) -> SubtaskDefinition {
    SubtaskDefinition::new("simulate".parse().expect("a kind"), description, Priority::Medium)
}

pub fn submission(task: &str, count: usize) -> Submission {
    let subtasks = (0..count).map(|index| definition(&format!("step {index}"))).collect();
    Submission::new(task_id(task), name("api"), "a task".to_owned(), subtasks)
}

/// A subtask named `s<index>` that depends on others: `"0:skip 2:continue"`.
pub fn depending(index: usize, parents: &str) -> SubtaskDefinition {
    let parent = |text: &str| {
        let (index, on_failure) = text.split_once(':').expect("an index and a word");
        let name = format!("s{index}").parse().expect("a name");
        Parent { name, index: index.parse().expect("an index"), on_failure: on_failure.parse().expect("a word") }
    };
    let depends_on = parents.split_whitespace().map(parent).collect();
    SubtaskDefinition { name: Some(format!("s{index}")), depends_on, ..definition(&format!("step {index}")) }
}

/// A task whose subtasks depend on each other, one text for each.
pub fn plan(task: &str, parents: &[&str]) -> Submission {
    let subtasks = parents.iter().enumerate().map(|(index, text)| depending(index, text)).collect();
    Submission { subtasks, ..submission(task, 0) }
}

impl Stage {
    /// A stranger's command; panics on an error reply.
    pub fn raw<A: AsRef<[u8]>>(&self, arguments: &[A]) -> Reply {
        match self.redis.command(arguments) {
            Reply::Error(message) => panic!("{message}"),
            reply => reply,
        }
    }

    pub async fn submit(&self, task: &str, count: usize) {
        let answer = self.store.submit(&submission(task, count), ADMISSION).await.expect("an answer");
        assert_eq!(answer, Submitted::Created);
    }

    pub async fn accept(&self, order: &Submission) {
        assert_eq!(self.store.submit(order, ADMISSION).await.expect("an answer"), Submitted::Created);
    }

    /// Takes everything that waits in the queue `default` as `w`: the index of each.
    pub async fn running(&self) -> Vec<u32> {
        self.fetch("w", 2_000).await.iter().map(|one| one.entry.as_ref().expect("a sound entry").index).collect()
    }

    pub async fn fetch(&self, consumer: &str, count: usize) -> Vec<Fetched> {
        self.store.fetch(&name(consumer), &Stream::of(&self.queue), count).await.expect("entries")
    }

    /// Writes an entry by hand and lets `consumer` take it; answers its id.
    pub async fn leave(&self, consumer: &str, fields: &[&[u8]]) -> String {
        let mut command: Vec<&[u8]> = vec![b"XADD", MEDIUM.as_bytes(), b"*"];
        command.extend(fields);
        let entry_id = self.raw(&command).text();
        self.raw(&["XREADGROUP", "GROUP", "workers", consumer, "STREAMS", MEDIUM, ">"]);
        entry_id
    }

    /// New entries of the log, read by the projector `p`.
    pub async fn events(&self) -> Vec<EventEntry> {
        self.store.read_events(&name("p"), 100, Duration::from_millis(1)).await.expect("events")
    }

    /// Writes facts by hand, `events` entry by entry, and folds what is new.
    pub async fn fold(&self, entries: &[&str]) -> FoldCounts {
        for facts in entries {
            self.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", facts]);
        }
        let events = self.events().await;
        self.store.fold(&name("p"), TTL, &events).await.expect("counts").counts
    }

    /// Every line of the log, without its time.
    pub fn facts(&self) -> Vec<String> {
        let fields = |entry: &Reply| entry.items()[1].items()[5].text();
        let told: Vec<String> = self.raw(&["XRANGE", "events", "-", "+"]).items().iter().map(fields).collect();
        told.iter()
            .flat_map(|facts| facts.split('\n'))
            .map(|line| {
                let mut words: Vec<&str> = line.split(' ').collect();
                words.remove(7);
                words.join(" ")
            })
            .collect()
    }

    /// What the counters and the status of a task say.
    pub fn head(&self, task: &str) -> String {
        ["status", "completed", "failed", "cancelled"].map(|field| self.task(task, field)).join(" ")
    }

    /// One field of `task:<id>`.
    pub fn task(&self, task: &str, field: &str) -> String {
        self.raw(&["HGET", &format!("task:{task}"), field]).text()
    }

    pub fn exact(&self) -> Vec<String> {
        state::exact(&self.redis)
    }

    pub fn story(&self) -> Vec<String> {
        state::story(&self.redis)
    }

    /// What changed since the story `before`.
    pub fn since(&self, before: &[String]) -> Vec<String> {
        state::difference(before, &self.story())
    }

    pub fn out_of_memory(&self) {
        self.raw(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        self.raw(&["CONFIG", "SET", "maxmemory", "1"]);
        assert!(self.redis.command(&["SET", "one-more", "x"]).text().starts_with("OOM"));
    }

    pub fn enough_memory(&self) {
        self.raw(&["CONFIG", "SET", "maxmemory", "0"]);
    }
}

/// Puts a value of another type at each of `keys` in turn: the call must fail so, write nothing, and work once the
/// key is itself again.
pub async fn refuses_other_types(stage: &Stage, keys: &[&str], call: impl AsyncFn() -> Result<(), StoreError>) {
    for key in keys {
        let was_there = stage.raw(&["EXISTS", key]).integer() == 1;
        if was_there {
            stage.raw(&["RENAME", key, "aside"]);
        }
        stage.raw(&["SET", key, "of another type"]);
        let before = stage.exact();
        let answer = call().await;
        assert!(matches!(answer, Err(StoreError::WrongType(_))), "{key}: {answer:?}");
        assert_eq!(stage.exact(), before, "{key}");
        stage.raw(&["DEL", key]);
        if was_there {
            stage.raw(&["RENAME", "aside", key]);
        }
    }
    call().await.expect("every key is itself again");
}

/// Looks until `condition` holds; panics with `what` after `deadline`.
pub async fn eventually(deadline: Duration, what: &str, condition: impl AsyncFn() -> bool) {
    let looking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(deadline, looking).await.unwrap_or_else(|_| panic!("not within {deadline:?}: {what}"));
}

pub fn settlement(fetched: &Fetched, by: &str, kind: FactKind, result: Option<&str>) -> Settlement {
    let entry = fetched.entry.as_ref().expect("a sound entry");
    Settlement {
        stream: fetched.stream.clone(),
        entry_id: fetched.entry_id.clone(),
        subtask_id: entry.subtask_id.clone(),
        fact: Fact {
            task_id: entry.task_id.clone(),
            index: Some(entry.index),
            last: None,
            generation: entry.generation,
            kind,
            attempt: entry.attempt,
            crashes: entry.crashes,
            worker: name(by),
            at_ms: 0,
            reason: None,
        },
        result: result.map(str::to_owned),
        result_ttl: Duration::from_secs(86_400),
    }
}
