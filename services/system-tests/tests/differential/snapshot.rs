//! The whole keyspace of a real Redis as books; a key that no book knows is a panic.

use crate::task::{enter_outcomes, read_plan, read_task};
use proto_schemas::{ConsumerName, Priority, QueueName, Record, SubtaskId, TaskId, TaskStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::str::FromStr;
use system_tests::redis::{Connection, Reply};
use task_core::law::{Books, EntryId, Fields, Group, Pending, StoredKey, StoredResult, Stream, StreamName};

type Command = Vec<String>;

/// Reads every key; times that Redis keeps as ages are absolute by its clock.
pub fn take(connection: &mut Connection) -> Books {
    let now_ms = now_ms(connection);
    let mut keys: Vec<String> = connection.command(&["KEYS", "*"]).unwrap().items().iter().map(Reply::text).collect();
    keys.sort();
    let commands: Vec<Vec<Command>> = keys.iter().map(|key| reading(key)).collect();
    let mut replies = connection.pipeline(&commands.concat()).unwrap().into_iter();
    let mut books = Books::default();
    let mut outcomes = BTreeMap::new();
    for (key, commands) in keys.iter().zip(commands) {
        let replies: Vec<Reply> = replies.by_ref().take(commands.len()).collect();
        match key.split_once(':') {
            Some(("outcomes", id)) => drop(outcomes.insert(parse::<TaskId>(id), pairs(&replies[0]))),
            _ => enter(&mut books, key, &replies, now_ms),
        }
    }
    for (task_id, fields) in outcomes {
        let task = books.tasks.get_mut(&task_id).unwrap_or_else(|| panic!("outcomes of no task: {task_id}"));
        enter_outcomes(&mut task.state, fields);
    }
    books
}

/// The server's clock, ms of the Unix epoch.
pub fn now_ms(connection: &mut Connection) -> u64 {
    let time = connection.command(&["TIME"]).unwrap();
    (time.items()[0].integer() * 1_000 + time.items()[1].integer() / 1_000) as u64
}

/// The stream that a key names.
fn stream_name(key: &str) -> Option<StreamName> {
    match key {
        "events" => Some(StreamName::Events),
        "dead-letters" => Some(StreamName::DeadLetters),
        _ => {
            let (queue, priority) = key.strip_prefix("subtasks:")?.rsplit_once(':')?;
            Some(StreamName::Work(parse(queue), parse(priority)))
        }
    }
}

fn group_of(name: &StreamName) -> &'static str {
    match name {
        StreamName::Work(..) => "workers",
        StreamName::Events | StreamName::DeadLetters => "projector",
    }
}

/// The commands that read a key.
fn reading(key: &str) -> Vec<Command> {
    let commands = |lines: &[&[&str]]| {
        lines.iter().map(|line| line.iter().map(|&word| word.to_owned()).collect()).collect::<Vec<Command>>()
    };
    if let Some(name) = stream_name(key) {
        let group = group_of(&name);
        return commands(&[
            &["XRANGE", key, "-", "+"],
            &["XINFO", "STREAM", key],
            &["XINFO", "GROUPS", key],
            &["XINFO", "CONSUMERS", key, group],
            &["XPENDING", key, group, "-", "+", "1000000"],
        ]);
    }
    match key.split_once(':').map_or(key, |(head, _)| head) {
        "worker" => commands(&[&["HGETALL", key], &["TTL", key]]),
        "task" | "outcomes" | "meta" | "plan" => commands(&[&["HGETALL", key]]),
        "delayed" if key == "delayed:body" => commands(&[&["HGETALL", key]]),
        "delayed" | "cancelled" => commands(&[&["ZRANGE", key, "0", "-1", "WITHSCORES"]]),
        "result" | "maintenance" | "idempotency" => commands(&[&["GET", key], &["PTTL", key]]),
        "tasks" | "lifetimes" | "workers" => commands(&[&["ZRANGE", key, "0", "-1", "WITHSCORES"]]),
        "queues" => commands(&[&["SMEMBERS", key]]),
        "bell" => commands(&[&["LLEN", key]]),
        _ => panic!("a key that no book knows: {key}"),
    }
}

fn enter(books: &mut Books, key: &str, replies: &[Reply], now_ms: u64) {
    if let Some(name) = stream_name(key) {
        drop(books.streams.insert(name.clone(), read_stream(&name, replies, now_ms)));
        return;
    }
    let expires_at_ms = || now_ms + replies[1].integer() as u64;
    let (head, rest) = key.split_once(':').unwrap_or((key, ""));
    match (head, rest) {
        ("task", id) => drop(books.tasks.insert(parse(id), read_task(pairs(&replies[0])))),
        ("delayed", "") => books.delayed = read_scores(&replies[0]),
        ("delayed", "body") => {
            let members = replies[0].items().chunks_exact(2);
            books.bodies = members.map(|pair| (pair[0].text(), bytes(&pair[1]))).collect();
        }
        ("cancelled", "") => books.cancelled = read_scores(&replies[0]),
        ("idempotency", rest) => {
            let ((client, name), text) = (rest.split_once(':').unwrap(), replies[0].text());
            let (task_id, fingerprint) = text.split_once(' ').unwrap();
            let (task_id, fingerprint) = (parse(task_id), fingerprint.to_owned());
            let stored = StoredKey { task_id, fingerprint, expires_at_ms: expires_at_ms() };
            books.idempotency.insert((client.to_owned(), name.to_owned()), stored);
        }
        ("result", id) => {
            let stored = StoredResult { json: replies[0].text(), expires_at_ms: expires_at_ms() };
            books.results.insert(parse::<SubtaskId>(id), stored);
        }
        ("tasks", "") => books.created = read_scores(&replies[0]),
        ("tasks", status) => {
            let status: TaskStatus = parse(status);
            books.by_status.extend(read_scores(&replies[0]).into_iter().map(|(id, at_ms)| ((status, id), at_ms)));
        }
        ("lifetimes", "") => books.lifetimes = read_scores(&replies[0]),
        ("plan", id) => {
            let fields = replies[0].items().chunks_exact(2).map(|pair| (pair[0].text(), bytes(&pair[1])));
            books.plans.insert(parse(id), read_plan(fields.collect()));
        }
        ("queues", "") => books.queues = replies[0].items().iter().map(|queue| parse(&queue.text())).collect(),
        ("bell", queue) => drop(books.bells.insert(parse::<QueueName>(queue), replies[0].integer() as usize)),
        ("maintenance", _) if replies[0] == Reply::Nil => {} // its 450 ms ended while we read
        ("maintenance", queue) => {
            let round = (parse(&replies[0].text()), expires_at_ms());
            books.maintenance.insert(parse(queue), round);
        }
        ("worker", consumer) => drop(books.heartbeats.insert(parse(consumer), replies[1].integer() >= 0)),
        ("workers", "") => books.workers = read_scores(&replies[0]),
        ("meta", "") => {
            let mut meta = flat(&replies[0]);
            books.dead_letters_trimmed = meta.remove("dead_letters_trimmed").map_or(0, |count| parse(&count));
            assert_eq!(meta, BTreeMap::from([("groups".to_owned(), "projector".to_owned())]));
        }
        _ => panic!("a key that no book knows: {key}"),
    }
}

fn read_stream(name: &StreamName, replies: &[Reply], now_ms: u64) -> Stream {
    let [entries, stream, groups, consumers, pending] = replies else { panic!("five replies") };
    let entries = entries.items().iter().map(|entry| {
        let fields = entry.items()[1].items().chunks_exact(2);
        let fields: Fields = fields.map(|pair| (bytes(&pair[0]), bytes(&pair[1]))).collect();
        (parse(&entry.items()[0].text()), fields)
    });
    let group = groups.items().iter().map(flat).find(|group| group["name"] == group_of(name)).map(|group| Group {
        delivered_id: parse(&group["last-delivered-id"]),
        consumers: consumers.items().iter().map(|consumer| parse(&flat(consumer)["name"])).collect(),
        pending: pending.items().iter().map(|lease| read_lease(lease.items(), now_ms)).collect(),
    });
    assert!(groups.items().len() == usize::from(group.is_some()), "{name}: a group that nobody knows");
    Stream { entries: entries.collect(), last_id: parse(&flat(stream)["last-generated-id"]), group }
}

fn read_lease(row: &[Reply], now_ms: u64) -> (EntryId, Pending) {
    let since_ms = now_ms.saturating_sub(row[2].integer() as u64);
    let lease = Pending { consumer: parse(&row[1].text()), since_ms, deliveries: row[3].integer() as u64 };
    (parse(&row[0].text()), lease)
}

fn read_scores<T: FromStr<Err: Debug> + Ord>(reply: &Reply) -> BTreeMap<T, u64> {
    pairs(reply).into_iter().map(|(member, score)| (parse(&member), parse(&score))).collect()
}

/// A flat reply of names and values as text.
fn pairs(reply: &Reply) -> Vec<(String, String)> {
    reply.items().chunks_exact(2).map(|pair| (pair[0].text(), pair[1].text())).collect()
}

fn flat(reply: &Reply) -> BTreeMap<String, String> {
    pairs(reply).into_iter().collect()
}

fn bytes(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Text(bytes) => bytes.clone(),
        other => panic!("not a string: {other:?}"),
    }
}

/// Text as what it must be.
pub fn parse<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
}

/// Takes over from the law what a snapshot can only know roughly: times that Redis keeps as ages, and how long a round
/// of maintenance still bars the next. What is further off than `tolerance_ms` stays and shows.
pub fn align(real: &mut Books, law: &mut Books, now_ms: u64, tolerance_ms: u64) {
    let near = |real: &mut u64, law: u64| {
        if real.abs_diff(law) <= tolerance_ms {
            *real = law;
        }
    };
    for (name, stream) in &mut real.streams {
        let Some(known) = law.streams.get(name).and_then(|stream| stream.group.as_ref()) else { continue };
        for (entry_id, lease) in stream.group.iter_mut().flat_map(|group| &mut group.pending) {
            if let Some(known) = known.pending.get(entry_id) {
                near(&mut lease.since_ms, known.since_ms);
            }
        }
    }
    for (member, due_ms) in &mut real.delayed {
        law.delayed.get(member).into_iter().for_each(|known_ms| near(due_ms, *known_ms));
    }
    for (task_id, until_ms) in &mut real.cancelled {
        law.cancelled.get(task_id).into_iter().for_each(|known_ms| near(until_ms, *known_ms));
    }
    for (key, stored) in &mut real.idempotency {
        law.idempotency.get(key).into_iter().for_each(|known| near(&mut stored.expires_at_ms, known.expires_at_ms));
    }
    for (subtask_id, result) in &mut real.results {
        if let Some(known) = law.results.get(subtask_id) {
            near(&mut result.expires_at_ms, known.expires_at_ms);
        }
    }
    law.maintenance.retain(|queue, (_, until_ms)| *until_ms > now_ms || real.maintenance.contains_key(queue));
    for (queue, (_, until_ms)) in &mut real.maintenance {
        if let Some((_, known_ms)) = law.maintenance.get(queue) {
            near(until_ms, *known_ms);
        }
    }
    for task in law.tasks.values_mut() {
        for record in task.state.records.values_mut() {
            *record = Record::decode(&record.encode()).unwrap(); // a long reason is cut where it is kept
        }
    }
}

/// Everything that names a consumer or a queue in tests.
pub fn consumers() -> BTreeSet<ConsumerName> {
    ["w1", "w2:7@host", "w3"].into_iter().map(parse).collect()
}

/// The queues of the tests; the second has no groups at first.
pub fn queues() -> [QueueName; 2] {
    [QueueName::default_queue(), parse("q.2")]
}

/// Every stream of work of the tests.
pub fn work_streams() -> Vec<StreamName> {
    let streams =
        |queue: QueueName| Priority::ALL.iter().map(move |priority| StreamName::Work(queue.clone(), *priority));
    queues().into_iter().flat_map(streams).collect()
}
