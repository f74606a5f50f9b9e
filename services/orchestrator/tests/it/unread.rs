//! What is refused before its body was read: the connection goes on behind it, or its end is announced.

use crate::raw::{Raw, get};
use crate::stage::{Stage, stage};

/// A submission that is refused by its head.
fn refused(lines: &str, body: &str) -> String {
    format!("POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n{lines}\r\n\r\n{body}")
}

async fn raw(stage: &Stage, text: &str) -> Raw {
    let mut raw = Raw::connect(stage).await;
    raw.send(text).await;
    raw
}

#[tokio::test]
async fn a_small_body_that_was_not_read_costs_no_connection() {
    let stage = stage().await;
    for (lines, body) in [
        ("Content-Length: 2".to_owned(), "{}".to_owned()),
        ("Transfer-Encoding: chunked".to_owned(), "2\r\n{}\r\n1\r\n \r\n0\r\n\r\n".to_owned()),
        (format!("Content-Length: {}", 60 << 10), "x".repeat(60 << 10)),
    ] {
        let mut raw = raw(&stage, &refused(&lines, &body)).await;
        let answer = raw.answer().await;
        answer.problem(415, "unsupported_media_type");
        assert_eq!(answer.header("connection"), "", "{lines}");
        assert_eq!(raw.get("/health").await.status, 200, "{lines}");
    }
    let cancel = "POST /tasks/x/cancel HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let mut raw = raw(&stage, cancel).await;
    raw.answer().await.problem(404, "task_not_found");
    assert_eq!(raw.get("/health").await.status, 200, "an operation without a body drops one");
}

#[tokio::test]
async fn a_body_in_a_segment_of_its_own_is_waited_for() {
    let stage = stage().await;
    let mut raw = raw(&stage, &refused("Content-Length: 2", "")).await;
    raw.send("{}").await;
    assert_eq!(raw.answer().await.status, 415);
    assert_eq!(raw.get("/health").await.status, 200);
}

#[tokio::test]
async fn an_answer_says_that_the_connection_ends_where_a_body_is_left() {
    let stage = stage().await;
    for (lines, body) in [
        (format!("Content-Length: {}", 200 << 10), "x".repeat(200 << 10)),
        ("Content-Length: 5".to_owned(), "x".to_owned()),
        ("Content-Length: 5\r\nExpect: 100-continue".to_owned(), String::new()),
    ] {
        let mut raw = raw(&stage, &refused(&lines, &body)).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (415, "close"), "{lines}");
        raw.send(get("/health")).await;
        assert!(raw.is_closed().await, "{lines}");
    }
}
