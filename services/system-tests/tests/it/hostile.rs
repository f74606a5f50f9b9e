//! API-11: the catalogue of hostile inputs, sent to the real API line by line. Each is answered as `tests/hostile.jsonl` says,
//! with nothing of it repeated and nothing of it stored; the next good request is answered, and the process grows by
//! less than 16 MB over all of them.
//!
//! A line has `row` and `what`, and then either a request and its answer, or the `test` that shows it, or what has to be
//! built for it (`later`). A request is `method`, `path`, `headers` and `body`, or the bytes of it as `raw`; what is left out is
//! a POST of JSON to `/tasks`. Bytes are a text, or a list of texts, `{"hex": ...}` and `{"repeat": ..., "times": ...}`. `kept` is
//! the text that has to be found in the stored task, byte for byte.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;
use system_tests::process::{Process, Settings};
use system_tests::redis::PrivateRedis;
use system_tests::stack::{SOON, free_port};

const CATALOGUE: &str = include_str!("../hostile.jsonl");
/// Stands where a value does; no answer may contain it.
const CANARY: &str = "c4n4ry";
const GROWTH_BYTES_MAX: u64 = 16_000_000;
/// Requests before the first measure: what a process takes once is no growth.
const WARM_UP: usize = 2;
/// All that is stored, but for what is written whatever a request asks for: who was refused, and the state of the server.
const DIGEST: &str = "local keys, told = redis.call('KEYS', '*'), {} table.sort(keys) for _, key in ipairs(keys) do \
                      if key ~= 'audit' and key ~= 'meta' then told[#told + 1] = key .. redis.sha1hex(redis.call('DUMP', key)) end \
                      end return redis.sha1hex(table.concat(told))";

/// An answer as it came.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

#[test]
fn every_hostile_input_is_answered_as_the_catalogue_says_and_leaves_nothing_behind() {
    let redis = PrivateRedis::start().expect("a redis");
    let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let settings: Settings = [("ORCHESTRATOR_PORT", port.to_string()), ("REDIS_URL", redis.url())]
        .map(|(name, it)| (name.to_owned(), it))
        .into();
    let api = Process::start("orchestrator", &["orchestrator"], &settings, directory.path());
    api.wait_line(SOON, "redis: ");
    submit_one(port);
    let cases: Vec<Value> = CATALOGUE.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let sent = || cases.iter().filter(|case| case["status"].is_u64());
    let mut before = 0;
    // Once to warm up, then measured: the allocator keeps what the largest of them once took.
    for round in 0..WARM_UP + 1 {
        if round == WARM_UP {
            before = resident_bytes(api.pid());
        }
        for case in sent() {
            check(case, port, &redis);
        }
    }
    let grown = resident_bytes(api.pid()).saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "the process has grown by {grown} bytes");
    let elsewhere = cases.iter().filter(|case| case["test"].is_string()).count();
    let later = cases.iter().filter(|case| case["later"].is_string()).count();
    println!("hostile inputs: {} answered, {elsewhere} shown by other tests, {later} still to come", sent().count());
}

fn check(case: &Value, port: u16, redis: &PrivateRedis) {
    let what = format!("row {}, {}", case["row"], case["what"]);
    let digest = || redis.command(&["EVAL", DIGEST, "0"]).text();
    let before = digest();
    let answer = send(port, &request(case));
    let status = case["status"].as_u64().expect("a status");
    assert_eq!(u64::from(answer.status), status, "{what}: {} {}", answer.head, answer.body);
    if status == 202 {
        let id =
            serde_json::from_str::<Value>(&answer.body).expect("JSON")["task_id"].as_str().expect("an id").to_owned();
        let stored = redis.command(&["HGET", &format!("task:{id}"), "context"]).text();
        if let Some(kept) = case["kept"].as_str() {
            assert_eq!(stored, kept, "{what}");
            assert!(answer.body.contains(kept), "{what}: {}", answer.body);
        }
    } else {
        assert!(
            answer.head.to_lowercase().contains("content-type: application/problem+json"),
            "{what}: {}",
            answer.head
        );
        assert!(answer.head.to_lowercase().contains("x-request-id: "), "{what}: {}", answer.head);
        let problem: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{what}: {}", answer.body));
        assert_eq!((&problem["code"], &problem["status"]), (&case["code"], &case["status"]), "{what}: {problem}");
        assert!(!answer.body.contains(CANARY), "{what} is repeated: {}", answer.body);
        assert_eq!(digest(), before, "{what} has left something behind");
    }
    assert_eq!(send(port, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status, 200, "after {what}");
}

fn request(case: &Value) -> Vec<u8> {
    if !case["raw"].is_null() {
        return bytes(&case["raw"]);
    }
    let body = bytes(&case["body"]);
    let (method, path) = (case["method"].as_str().unwrap_or("POST"), case["path"].as_str().unwrap_or("/tasks"));
    let json = json!({ "content-type": "application/json" });
    let headers = case["headers"].as_object().unwrap_or_else(|| json.as_object().expect("an object"));
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request += &format!("{name}: {}\r\n", value.as_str().expect("text"));
    }
    [request.as_bytes(), b"\r\n", &body].concat()
}

fn bytes(parts: &Value) -> Vec<u8> {
    match parts {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(parts) => parts.iter().flat_map(bytes).collect(),
        part => match (part["hex"].as_str(), part["repeat"].as_str()) {
            (Some(hex), _) => {
                let digits: Vec<char> = hex.chars().collect();
                let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex");
                digits.chunks(2).map(byte).collect()
            }
            (_, Some(text)) => text.repeat(part["times"].as_u64().expect("a number") as usize).into_bytes(),
            _ => panic!("{part} is no part of a body"),
        },
    }
}

/// Sends bytes, and reads the first answer. An answer may come before all of them are sent.
pub fn send(port: u16, bytes: &[u8]) -> Answer {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the API takes connections");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let _ = socket.write_all(bytes);
    let mut read = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
        if is_whole(&String::from_utf8_lossy(&read)) {
            break;
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
    let text = String::from_utf8_lossy(&read).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}

fn submit_one(port: u16) {
    let answer = send(port, &request(&json!({ "body": "{\"description\":\"something to count\"}" })));
    assert_eq!(answer.status, 202, "{}", answer.body);
}

/// What a process takes of the machine's memory, in bytes.
fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    1_024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}
