//! What strangers do to a connection (API-11): each row over a plain socket, and the next good request is answered.

use crate::raw::{Raw, get, post};
use crate::stage::{Stage, config, eventually, stage, stage_of};
use orchestrator::{Config, Deadlines};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(300);
/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_secs(20);
const TASK: &str = r#"{"description":"d"}"#;

fn with_deadlines(change: impl FnOnce(&mut Deadlines)) -> Config {
    let mut deadlines = Deadlines { head: LONG, idle: LONG, write: LONG };
    change(&mut deadlines);
    Config { deadlines, ..config() }
}

async fn check_good(stage: &Stage) {
    assert_eq!(Raw::connect(stage).await.get("/health").await.status, 200);
}

/// A connection within the value of a header, which goes on with every look at whether it is open.
async fn endless_head(stage: &Stage) -> Raw {
    let mut raw = Raw::connect(stage).await;
    raw.send("GET /health HTTP/1.1\r\nHost: x\r\nX: ").await;
    raw
}

/// Heads that do not pass, and how they are answered.
fn bad_heads() -> Vec<(String, u16, &'static str)> {
    let head = |lines: &str| format!("GET /health HTTP/1.1\r\n{lines}\r\n");
    let bad = |text: String| (text, 400, "bad_request");
    let good_body = "5\r\nhello\r\n0\r\n\r\n";
    vec![
        // Not HTTP/1.1.
        bad("GET /\r\n".into()),
        bad("GET /health HTTP/2.0\r\nHost: x\r\n\r\n".into()),
        bad("GET /health HTTP/1.9\r\nHost: x\r\n\r\n".into()),
        bad("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0".into()),
        bad("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".into()),
        bad("\0\0\0\0".into()),
        bad("{\"description\":\"d\"}".into()),
        bad("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        bad("GET  /health HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        // Lines.
        bad("GET /health HTTP/1.1\nHost: x\n\n".into()),
        bad("GET /health HTTP/1.1\r\nHost: x\nX: y\r\n\r\n".into()),
        bad(head("Host: x\r\nX: a\0b\r\n")),
        bad(head("Host: x\r\nX: a\rb\r\n")),
        bad(head("Host: x\r\nX: a\r\n b\r\n")),
        bad(head("Host: x\r\nX : a\r\n")),
        bad(head("Host: x\r\nnothing\r\n")),
        // Host and target.
        bad(head("")),
        bad(head("Host: a\r\nHost: b\r\n")),
        bad(head("Host: user@x\r\n")),
        bad(head("Host: x/y\r\n")),
        bad(head("Host: \r\n")),
        bad("GET http://user@x/health HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        bad("GET health HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        bad("GET /<script> HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        // Bodies of a length that cannot be told.
        bad(post("Content-Length: 19\r\nContent-Length: 19\r\n", TASK)),
        bad(post("Content-Length: 19\r\nContent-Length: 3\r\n", TASK)),
        bad(post("Content-Length: 19, 19\r\n", TASK)),
        bad(post("Content-Length: -1\r\n", TASK)),
        bad(post("Content-Length: +4\r\n", TASK)),
        bad(post("Content-Length: 0x4\r\n", TASK)),
        bad(post("Content-Length: 18446744073709551616\r\n", TASK)),
        bad(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", good_body)),
        bad(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", good_body)),
        bad(post("Transfer-Encoding: xchunked\r\n", good_body)),
        bad(post("Transfer-Encoding: chunked, identity\r\n", good_body)),
        bad(post("Transfer-Encoding: gzip, chunked\r\n", good_body)),
        bad(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", good_body)),
        // Sizes.
        (get(&format!("/{}", "x".repeat(70 << 10))), 414, "uri_too_long"),
        (format!("GET /{}", "x".repeat(9 << 10)), 414, "uri_too_long"),
        (head(&format!("Host: x\r\nX: {}\r\n", "y".repeat(65 << 10))), 431, "headers_too_large"),
        (format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(17 << 10)), 431, "headers_too_large"),
        (head(&format!("Host: x\r\n{}", "x: y\r\n".repeat(100))), 431, "headers_too_large"),
    ]
}

#[tokio::test]
async fn a_bad_head_is_a_problem_and_the_end_of_its_connection() {
    let stage = stage().await;
    let before = stage.footprint();
    for (text, status, code) in bad_heads() {
        let shown = &text[..text.len().min(100)];
        let mut raw = Raw::connect(&stage).await;
        raw.send(&text).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{shown:?}");
        answer.problem(status, code);
        assert_eq!(answer.header("connection"), "close", "{shown:?}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(raw.is_closed().await, "{shown:?}");
        check_good(&stage).await;
    }
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn a_bad_head_ends_a_connection_that_was_good_after_the_answers_before_it() {
    let stage = stage().await;
    let before = stage.footprint();
    let mut raw = Raw::connect(&stage).await;
    let smuggled = post("Content-Length: 19\r\n", TASK);
    raw.send(format!("{}{}GET /health HTTP/1.1\r\n\r\n{smuggled}", get("/health"), get("/nowhere"))).await;
    assert_eq!(raw.answer().await.status, 200);
    raw.answer().await.problem(404, "not_found");
    raw.answer().await.problem(400, "bad_request");
    assert!(raw.is_closed().await);
    assert_eq!(stage.footprint(), before, "what comes behind a bad head is not read");
}

#[tokio::test]
async fn unusual_requests_that_are_good_are_answered() {
    let stage = stage().await;
    for (text, status) in [
        ("GET /health HTTP/1.0\r\n\r\n", 200),
        ("POST /tasks HTTP/1.0\r\nContent-Type: application/json\r\n\r\n", 400),
        ("\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ("GET http://x:80/health HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ("GET /health HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", 200),
        ("GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", 200),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("FOO /health HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("GET /tasks/%00 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("GET /tasks/%0d%0aX:1 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("GET /tasks/%ff HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ] {
        let mut raw = Raw::connect(&stage).await;
        raw.send(text).await;
        let answer = raw.answer().await;
        assert_eq!(answer.status, status, "{text:?}: {}", answer.text);
        assert!(answer.headers.get("x-1").is_none() && answer.header("x-request-id").len() == 26);
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_whatever_ends_properly() {
    let stage = stage().await;
    let mut raw = Raw::connect(&stage).await;
    raw.send("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let head = raw.head().await;
    assert!(head.status == 200 && head.header("content-length") != "0");
    raw.send(post("Content-Length: 19\r\n", TASK)).await;
    assert_eq!(raw.answer().await.status, 202);
    let chunked = "a;x=y\r\n{\"descript\r\n9\r\nion\":\"d\"}\r\n0\r\nTrailer: x\r\n\r\n";
    raw.send(post("Transfer-Encoding: chunked\r\n", &format!("{chunked}{}", get("/nowhere")))).await;
    assert_eq!(raw.answer().await.status, 202);
    raw.answer().await.problem(404, "not_found");
    raw.send(post("Content-Length: 19\r\nExpect: 100-continue\r\n", "")).await;
    assert_eq!(raw.head().await.status, 100);
    raw.send(TASK).await;
    assert_eq!(raw.answer().await.status, 202);
    for byte in get("/health").bytes() {
        raw.send([byte]).await;
    }
    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(raw.get("/health").await.status, 200);
}

#[tokio::test]
async fn chunks_that_are_none_are_an_incomplete_body_and_the_end() {
    let stage = stage().await;
    let before = stage.footprint();
    for body in [
        "x\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "13\r\n{\"description\":\"d\"}XX0\r\n\r\n",
        "-1\r\n",
        "fffffffffffffffff\r\n",
    ] {
        let mut raw = Raw::connect(&stage).await;
        raw.send(post("Transfer-Encoding: chunked\r\n", &format!("{body}{}", get("/health")))).await;
        let answer = raw.answer().await;
        answer.problem(400, "incomplete_body");
        assert_eq!(answer.header("connection"), "close");
        assert!(raw.is_closed().await, "{body:?}");
        check_good(&stage).await;
    }
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn a_thousand_requests_in_one_write_are_answered_in_order() {
    let stage = stage().await;
    let is_found = |number: usize| number * number % 7 < 3;
    let paths = (0..1_000).map(|number| if is_found(number) { "/health" } else { "/nowhere" });
    let text: String = paths.map(get).collect();
    let mut raw = Raw::connect(&stage).await;
    raw.send(text).await;
    for number in 0..1_000 {
        let status = if is_found(number) { 200 } else { 404 };
        assert_eq!(raw.answer().await.status, status, "answer {number}");
    }
    assert_eq!(raw.get("/health").await.status, 200);
}

#[tokio::test]
async fn five_hundred_heads_that_do_not_come_are_given_up_while_others_are_served() {
    allow_files(2_048);
    let stage = stage_of(with_deadlines(|deadlines| deadlines.head = SHORT)).await;
    let (mut silent, mut dripping) = (Vec::new(), Vec::new());
    for number in 0..250 {
        let mut raw = Raw::connect(&stage).await;
        raw.send(&get("/health")[..number % 20]).await; // some of them nothing at all
        silent.push(raw);
        dripping.push(endless_head(&stage).await);
    }
    let all_closed = async {
        // Each look sends another byte of each head: one that comes in drops is given no more time.
        eventually(SOON, || async { dripping.iter().filter(|raw| raw.is_open()).count() == 0 }).await;
        for raw in &mut silent {
            assert!(raw.is_closed().await);
        }
    };
    let mut good = Raw::connect(&stage).await;
    let mut answered = 0;
    let others = async {
        loop {
            assert_eq!(good.get("/health").await.status, 200);
            answered += 1;
        }
    };
    tokio::select! {
        () = all_closed => {}
        () = others => {}
    }
    assert!(answered > 0);
}

#[tokio::test]
async fn a_head_that_drips_is_given_up_after_ten_seconds() {
    let stage = stage().await;
    let started = Instant::now();
    let raw = endless_head(&stage).await;
    eventually(SOON, || async { !raw.is_open() }).await;
    assert!((9..11).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_second_head_that_does_not_come_is_given_up_too() {
    let stage = stage_of(with_deadlines(|deadlines| deadlines.head = SHORT)).await;
    let mut raw = Raw::connect(&stage).await;
    assert_eq!(raw.get("/health").await.status, 200);
    raw.send("GET /health HTTP/1.1\r\nHost").await;
    assert!(raw.is_closed().await);
    check_good(&stage).await;
}

#[tokio::test]
async fn an_idle_connection_ends_and_one_with_a_request_in_flight_does_not() {
    let stage = stage_of(with_deadlines(|deadlines| (deadlines.head, deadlines.idle) = (SHORT, SHORT))).await;
    let mut busy = Raw::connect(&stage).await;
    busy.send(post("Content-Length: 19\r\n", &TASK[..5])).await;
    for _ in 0..2 {
        let mut idle = Raw::connect(&stage).await;
        assert_eq!(idle.get("/health").await.status, 200);
        assert!(idle.is_closed().await);
    }
    busy.send(&TASK[5..]).await;
    assert_eq!(busy.answer().await.status, 202);
    assert!(busy.is_closed().await, "then it is idle");
}

#[tokio::test]
async fn who_never_reads_is_given_up() {
    let stage = stage_of(with_deadlines(|deadlines| deadlines.write = SHORT)).await;
    let mut raw = Raw::connect(&stage).await;
    raw.send(get("/docs").repeat(20)).await;
    eventually(SOON, || async { !raw.is_open() }).await;
    check_good(&stage).await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let stage = stage_of(Config { connections_max: 2, ..config() }).await;
    let (mut first, mut second) = (Raw::connect(&stage).await, Raw::connect(&stage).await);
    assert_eq!((first.get("/health").await.status, second.get("/health").await.status), (200, 200));
    let mut third = Raw::connect(&stage).await;
    let answer = third.get("/health").await;
    answer.problem(503, "too_many_connections");
    assert_eq!((answer.header("retry-after"), answer.header("connection")), ("1", "close"));
    assert!(third.is_closed().await);
    let mut silent = Raw::connect(&stage).await;
    assert!(silent.is_closed().await, "who asks nothing is told nothing");
    assert_eq!(second.get("/health").await.status, 200);
    drop(first);
    eventually(SOON, || async { Raw::connect(&stage).await.get("/health").await.status == 200 }).await;
}

#[tokio::test]
async fn stopping_ends_connections_on_which_nothing_is_in_flight() {
    let stage = stage_of(Config { shutdown_grace: LONG, ..with_deadlines(|_| ()) }).await;
    let (mut idle, mut silent, mut partial) =
        (Raw::connect(&stage).await, Raw::connect(&stage).await, Raw::connect(&stage).await);
    partial.send("GET /hea").await;
    assert_eq!(idle.get("/health").await.status, 200);
    stage.shutdown.cancel();
    for raw in [&mut idle, &mut silent, &mut partial] {
        assert!(raw.is_closed().await);
    }
    stage.server.await.expect("stopped");
}

/// Both ends of every connection are files of this process.
fn allow_files(count: u64) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        limit.current = Some(count);
        setrlimit(Resource::Nofile, limit).expect("as many files as the test needs");
    }
}
