//! Stopping: what is in flight is finished, within the grace.

use crate::stage::{config, stage, stage_on};
use orchestrator::Config;
use std::time::{Duration, Instant};
use system_tests::redis::PrivateRedis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD: &[u8] =
    b"POST /tasks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 19\r\n\r\n{\"desc";

#[tokio::test]
async fn a_request_in_flight_is_finished_and_new_ones_are_not_taken() {
    let stage = stage().await;
    let address = stage.base.strip_prefix("http://").expect("http").to_owned();
    let mut socket = TcpStream::connect(&address).await.expect("it listens");
    socket.write_all(HEAD).await.expect("sent");
    stage.get("/livez").await; // the server has read what was sent before
    stage.shutdown.cancel();
    crate::stage::eventually(Duration::from_secs(5), || async { TcpStream::connect(&address).await.is_err() }).await;
    socket.write_all(b"ription\":\"d\"}").await.expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    stage.server.await.expect("stopped");
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_after_the_grace() {
    let config = Config { shutdown_grace: Duration::from_secs(1), ..config() };
    let stage = stage_on(PrivateRedis::start().expect("a redis"), config).await;
    let mut socket = TcpStream::connect(stage.base.strip_prefix("http://").expect("http")).await.expect("it listens");
    socket.write_all(HEAD).await.expect("sent");
    stage.get("/livez").await;
    let started = Instant::now();
    stage.shutdown.cancel();
    stage.server.await.expect("stopped");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}
