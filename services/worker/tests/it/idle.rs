//! What a worker without work costs, and how fast it wakes and leaves.

use crate::doing::Watch;
use crate::stage::{Stage, doings, eventually, quick, slots, stage};
use proto_schemas::Priority;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use worker::handlers::built_in;

/// The commands that clients send within `span`; what scripts call is left out.
fn overhear(stage: &Stage, span: Duration) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", stage.redis.port())).expect("a connection");
    stream.write_all(b"MONITOR\r\n").expect("sent");
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let (mut reader, end, mut heard, mut line) =
        (BufReader::new(stream), Instant::now() + span, Vec::new(), String::new());
    while Instant::now() < end {
        match reader.read_line(&mut line) {
            Ok(_) => heard.push(std::mem::take(&mut line)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("the monitor ended: {error}"),
        }
    }
    heard.retain(|line| line.contains('[') && !line.contains(" lua]"));
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_sends_at_most_three_commands_a_second() {
    let stage = stage().await;
    let worker = stage.work(quick(), built_in(0.0));
    stage.idle(1).await;
    let rounds = || stage.redis.command(&["EXISTS", "maintenance:default"]).integer();
    eventually("its first round, after which nothing of its start is left", || rounds() == 1).await;
    // As long as from one heartbeat to the next, so that one is among them.
    let heard = tokio::task::block_in_place(|| overhear(&stage, Duration::from_secs(10)));
    let says = |word: &str| heard.iter().any(|line| line.contains(word));
    assert!(says("\"BLPOP\"") && says("\"heartbeat_at\""), "{heard:#?}");
    assert!(heard.len() <= 30, "{} in 10 s: {heard:#?}", heard.len());
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_subtask_starts_without_waiting_for_a_tick() {
    let (stage, watch) = (stage().await, Watch::default());
    let worker = stage.work(quick(), watch.note());
    let mut waited = Duration::ZERO;
    for n in 0..8 {
        stage.idle(1).await;
        let submitted_at = Instant::now();
        stage.submit(&format!("T{n}"), doings(1, Priority::Medium)).await;
        eventually("a start", || watch.started().len() > n).await;
        waited += submitted_at.elapsed();
    }
    assert!(waited < Duration::from_secs(4), "8 starts took {waited:?}: a tick of 2 s each would take 8 s");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_stops_at_once_whether_young_or_old() {
    let stage = stage().await;
    for old in [false, true] {
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            let worker = stage.work(quick(), built_in(0.0));
            eventually("its first heartbeat", || !stage.consumers().is_empty()).await;
            if old {
                stage.idle(1).await;
            }
            let told_at = Instant::now();
            worker.stop().await.expect("a clean end");
            fastest = fastest.min(told_at.elapsed());
        }
        assert!(fastest < Duration::from_secs(1), "it waited for something: {fastest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_takes_its_consumer_and_its_connections_along() {
    let (stage, watch) = (stage().await, Watch::default());
    let clients = || stage.redis.command(&["CLIENT", "LIST"]).text().lines().count();
    stage.submit("T", doings(3, Priority::Medium)).await;
    let worker = stage.work(slots(1), watch.note());
    eventually("3 results", || stage.results("T", 3) == 3).await;
    eventually("the stage's two, its store's, the bell's and the renewer's", || clients() == 5).await;
    worker.stop().await.expect("a clean end");
    let consumers = stage.redis.command(&["XINFO", "CONSUMERS", "subtasks:default:medium", "workers"]);
    assert!(consumers.items().is_empty() && stage.consumers().is_empty());
    eventually("the bell and the renewer have hung up; the store stays open", || clients() == 3).await;
}
