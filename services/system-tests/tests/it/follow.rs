//! TASK-16: a thousand followers of two hundred running tasks, each cut off once at random and gone on at the other
//! orchestrator.

use std::collections::HashMap;
use std::time::{Duration, Instant};
use system_tests::body;
use system_tests::books::fields;
use system_tests::process::{Process, Settings};
use system_tests::redis::PrivateRedis;
use system_tests::stack::{Plan, SOON, free_port};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TASKS: usize = 200;
const FOLLOWERS_OF_EACH: usize = 5;
/// What a replay is told takes less.
const RUNNING: Duration = Duration::from_millis(500);
/// Before everything: the whole of a task is told.
const BEGINNING: &str = "0-0.0";
/// A follower that is told nothing for so long has been forgotten.
const SILENT_MAX: Duration = Duration::from_secs(60);

#[test]
fn a_thousand_followers_cut_off_once_are_told_every_line_of_the_log_once() {
    allow_files(4_096);
    let stack = Plan::workers(2).start();
    let first: u16 = stack.client.base().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let second = free_port();
    let mut settings: Settings = stack.settings().clone();
    settings.insert("ORCHESTRATOR_PORT".to_owned(), second.to_string());
    let other = Process::start("orchestrator-2", &["orchestrator"], &settings, stack.directory());
    other.wait_line(SOON, "redis: ");
    // Longer than it takes to connect them all: 500 subtasks, 128 at a time.
    let tasks: Vec<String> = (0..TASKS).map(|at| stack.client.submit(&body::lasting(1 + at % 4, 4.0))).collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let told: Vec<Told> = runtime.block_on(async {
        let followers = tasks.iter().flat_map(|task_id| (0..FOLLOWERS_OF_EACH).map(move |_| task_id.clone()));
        let followers = followers.enumerate().map(|(at, task_id)| {
            let ports = if at % 2 == 0 { [first, second] } else { [second, first] };
            tokio::spawn(follow(task_id, ports))
        });
        let followers: Vec<_> = followers.collect();
        let mut told = Vec::new();
        for follower in followers {
            told.push(follower.await.expect("a follower comes to the end"));
        }
        told
    });
    let log = places(&stack.redis);
    assert_eq!(told.len(), TASKS * FOLLOWERS_OF_EACH);
    for Told { task_id, ids, .. } in &told {
        assert_eq!(ids, &log[task_id], "{task_id}");
    }
    let count = |is: fn(&Told) -> bool| told.iter().filter(|told| is(told)).count();
    let (cut, live) = (count(|told| told.was_cut), count(|told| told.was_open));
    assert!(cut == told.len() && live > told.len() / 4, "{cut} were cut off, {live} while their task ran");
}

/// What a follower was told.
struct Told {
    task_id: String,
    /// Of all messages, in their order.
    ids: Vec<String>,
    /// Whether it was cut off.
    was_cut: bool,
    /// Whether its task had more to tell then.
    was_open: bool,
}

/// Follows a task to its end, with one cut in between: behind its first message at least, which every task has, and
/// before the last but one at most, because a task of one subtask tells no more than three.
async fn follow(task_id: String, ports: [u16; 2]) -> Told {
    let mut told = Told { task_id: task_id.clone(), ids: Vec::new(), was_cut: false, was_open: false };
    let cut_after = fastrand::usize(1..3);
    let mut cut_at = None;
    for (turn, port) in ports.into_iter().enumerate() {
        let after = told.ids.last().map_or(BEGINNING, String::as_str).to_owned();
        let mut stream = open(&task_id, port, &after).await;
        while let Some((name, id)) = next(&mut stream).await {
            if name.starts_with("task.") && id.ends_with(".end") {
                return told;
            }
            assert!(name != "reset" && name != "snapshot", "{name} after {after}");
            // A task that has something to tell a while after the cut was running then.
            told.was_open |= cut_at.is_some_and(|at: Instant| at.elapsed() > RUNNING);
            told.ids.push(id);
            if turn == 0 && told.ids.len() == cut_after {
                (told.was_cut, cut_at) = (true, Some(Instant::now()));
                break; // the connection is dropped with whatever is on its way
            }
        }
    }
    panic!("the end of {task_id} was not told: {:?}", told.ids);
}

async fn open(task_id: &str, port: u16, after: &str) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the API takes connections");
    let head = format!("GET /tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {after}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("the request is sent");
    let (mut stream, mut status) = (BufReader::new(socket), String::new());
    stream.read_line(&mut status).await.expect("an answer");
    assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
    stream
}

/// Name and id of the next message; nothing at the end of the stream. The chunks of the body are of lines of their own.
async fn next(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut name, mut id, mut line) = (String::new(), String::new(), String::new());
    loop {
        line.clear();
        let read =
            timeout(SILENT_MAX, stream.read_line(&mut line)).await.expect("something is told").expect("it is text");
        if read == 0 {
            return None;
        }
        let text = line.trim_end();
        if let Some(told) = text.strip_prefix("event: ") {
            name = told.to_owned();
        } else if let Some(told) = text.strip_prefix("id: ") {
            id = told.to_owned();
        } else if text.starts_with("data: ") && !name.is_empty() {
            return Some((name, id));
        }
    }
}

/// The place of every line of the log, by task.
fn places(redis: &PrivateRedis) -> HashMap<String, Vec<String>> {
    let mut places: HashMap<String, Vec<String>> = HashMap::new();
    for entry in redis.command(&["XRANGE", "events", "-", "+"]).items() {
        let (id, lines) = (entry.items()[0].text(), fields(&entry.items()[1]).remove("facts").unwrap_or_default());
        for (number, line) in lines.lines().enumerate() {
            let task_id = line.split(' ').next().expect("a line has words");
            places.entry(task_id.to_owned()).or_default().push(format!("{id}.{number}"));
        }
    }
    places
}

/// Lets this process have as many files open as so many connections take.
fn allow_files(count: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < count) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum }).expect("so many files may be open");
    }
}
