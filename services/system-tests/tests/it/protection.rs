//! What guards the API, as an operator sets it: each setting reaches what it is for.

use crate::hostile::exchange::{Answer, get, send};
use std::io::{Read, Write};
use std::net::TcpStream;
use system_tests::eventually::eventually;
use system_tests::process::{Process, Settings, run};
use system_tests::redis::PrivateRedis;
use system_tests::stack::{SOON, free_port};

const ORIGIN: &str = "https://a.example";

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn an_api_that_others_can_reach_asks_who_they_are_or_does_not_start() {
    let (redis, directory) = (PrivateRedis::start().expect("a redis"), tempfile::tempdir().expect("a directory"));
    let port = free_port().to_string();
    let (redis_url, open) = (redis.url(), ("ORCHESTRATOR_HOST", "0.0.0.0"));
    let common = [open, ("ORCHESTRATOR_PORT", &*port), ("REDIS_URL", &*redis_url)];
    for role in ["orchestrator", "up"] {
        let finished = run(&[role], &settings(&common), directory.path());
        assert_eq!(finished.code, Some(2), "{role}: {finished:?}");
        assert!(finished.err.starts_with("millstream: ORCHESTRATOR_HOST: "), "{role}: {finished:?}");
    }
    let asking = [&common[..], &[("AUTH", "keys")]].concat();
    let process = Process::start("orchestrator", &["orchestrator"], &settings(&asking), directory.path());
    process.wait_line(SOON, "redis: ");
    let port = port.parse().expect("a port");
    assert_eq!((send(port, &get("/health")).status, send(port, &get("/tasks")).status), (200, 401));
}

#[test]
fn bounds_and_origins_hold_as_they_are_set() {
    let (redis, directory) = (PrivateRedis::start().expect("a redis"), tempfile::tempdir().expect("a directory"));
    let (redis_url, port) = (redis.url(), free_port());
    let port_text = port.to_string();
    let all = settings(&[
        ("ORCHESTRATOR_PORT", &port_text),
        ("REDIS_URL", &redis_url),
        ("RATE_LIMIT", "3"),
        ("RATE_WINDOW_SECONDS", "3600"),
        ("SSE_MAX", "1"),
        ("CONNECTIONS_MAX", "3"),
        ("CORS_ORIGINS", ORIGIN),
    ]);
    let process = Process::start("orchestrator", &["orchestrator"], &all, directory.path());
    process.wait_line(SOON, "redis: ");
    let health = |origin: &str| {
        let request = format!("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n\r\n");
        send(port, request.as_bytes()).head.to_lowercase()
    };
    assert!(health(ORIGIN).contains(&format!("access-control-allow-origin: {ORIGIN}\r\n")));
    assert!(!health("https://b.example").contains("access-control-allow-origin"));

    let mut listener = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    listener.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut start = [0; 12];
    listener.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 200");
    check(&send(port, &get("/events")), 429, "too_many_streams");
    assert_eq!(send(port, &get("/tasks")).status, 200, "the third of three");
    check(&send(port, &get("/tasks")), 429, "quota_exceeded");

    let held = [(); 2].map(|()| TcpStream::connect(("127.0.0.1", port)).expect("a connection"));
    eventually(SOON, "there is no seat for a fourth", || {
        let answer = send(port, &get("/health"));
        (answer.status == 503).then(|| check(&answer, 503, "too_many_connections"))
    });
    drop(held);
}

fn check(answer: &Answer, status: u16, code: &str) {
    answer.check_problem(u64::from(status), code, "a bound");
}
