//! Bodies that a well-behaved client does not send, over a plain socket.

use crate::stage::{Stage, stage};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn connect(stage: &Stage, head: &str) -> TcpStream {
    let address = stage.base.strip_prefix("http://").expect("http");
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let head = format!("POST /tasks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{head}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket
}

/// Everything until the server closes.
async fn read_to_end(mut socket: TcpStream) -> String {
    let mut text = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut text));
    let _ = reading.await.expect("the server closes");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_chunked_body_without_end_stops_at_the_limit() {
    let stage = stage().await;
    let mut socket = connect(&stage, "transfer-encoding: chunked").await;
    let chunk = format!("{:x}\r\n{}\r\n", 64 << 10, "x".repeat(64 << 10));
    let mut sent = 0;
    while sent < 64 << 20 && socket.write_all(chunk.as_bytes()).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 32 << 20, "the server read on for {sent} bytes");
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_413() {
    let stage = stage().await;
    let mut socket = connect(&stage, "transfer-encoding: chunked").await;
    let chunk = format!("{:x}\r\n{}\r\n", 64 << 10, "x".repeat(64 << 10));
    for _ in 0..17 {
        socket.write_all(chunk.as_bytes()).await.expect("sent");
    }
    socket.write_all(b"0\r\n\r\n").await.expect("sent");
    let mut start = [0; 12];
    socket.read_exact(&mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_before_it_sends() {
    let stage = stage().await;
    let mut socket = connect(&stage, "content-length: 300000000\r\nexpect: 100-continue").await;
    let mut start = [0; 12];
    socket.read_exact(&mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_after_ten_seconds() {
    let stage = stage().await;
    let mut socket = connect(&stage, "content-length: 100").await;
    let started = Instant::now();
    let (mut reader, mut writer) = socket.split();
    let mut start = [0; 12];
    let drip = async {
        while writer.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        read = reader.read_exact(&mut start) => { read.expect("an answer"); }
        () = drip => panic!("closed without an answer"),
    }
    assert_eq!(&start, b"HTTP/1.1 408");
    assert!((9..13).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_body_that_ends_early_stores_nothing() {
    let stage = stage().await;
    let before = stage.footprint();
    let mut socket = connect(&stage, "content-length: 100").await;
    socket.write_all(br#"{"description":"d"}"#).await.expect("sent");
    socket.shutdown().await.expect("closed");
    let answer = read_to_end(socket).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(stage.footprint(), before);
}
