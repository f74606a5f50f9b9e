//! What the API answers, and how fast: POST and GET over so many connections, each of which sends its next request when
//! it has the answer to the last (a closed loop); and what five hundred connections with slow heads do to the others.
//!
//! One API and its Redis, without workers and projectors: what is submitted stays in its stream. The clients are in
//! this process and take their share of the same cores: so they speak the least HTTP that a closed loop needs, for a
//! whole client would be most of what is measured.

use super::environment::Environment;
use super::latency::{Quantiles, quantiles};
use super::report;
use super::stage::{Plan, Stage};
use crate::files;
use crate::print;
use crate::private_redis::{Persistence, free_port};
use anyhow::Context;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];
/// How long each is measured, and how long it runs before that.
const MEASURED: Duration = Duration::from_secs(4);
const WARM_UP: Duration = Duration::from_millis(500);
/// Connections with slow heads, and those beside them that are measured.
const SLOW: usize = 500;
const BESIDE: usize = 16;
/// A head that is not complete by then is given up (ACCEPTANCE API-11).
const SLOW_END: Duration = Duration::from_secs(10);
const SLOW_WITHIN: Duration = Duration::from_secs(20);
const READY_WITHIN: Duration = Duration::from_secs(20);
const BODY: &str = r#"{"description":"d","subtasks":[{"description":"s","params":{"n":1}}]}"#;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Api {
    environment: Environment,
    runs: Vec<Run>,
}

#[derive(Debug, Serialize)]
struct Run {
    aof: &'static str,
    rates: Vec<Rate>,
    slow: Slow,
}

#[derive(Debug, Serialize)]
struct Rate {
    request: &'static str,
    connections: usize,
    per_second: f64,
    #[serde(flatten)]
    quantiles: Quantiles,
}

/// GETs over 16 connections, alone and beside 500 with slow heads.
#[derive(Debug, Serialize)]
struct Slow {
    connections: usize,
    alone: Quantiles,
    beside: Quantiles,
    /// From the first byte of a head until its connection was closed, the slowest of all.
    closed_after_seconds: f64,
}

/// A connection that asks and waits.
struct Client(BufReader<TcpStream>);

/// Measures at each way of keeping.
pub async fn measure(program: &Path, modes: &[Persistence], more: &[(String, String)]) -> anyhow::Result<Api> {
    files::allow(2 * (SLOW + BESIDE) as u32);
    let environment = Environment::here(more);
    let mut runs = Vec::new();
    for persistence in modes {
        let port = free_port(None)?;
        let mut settings = more.to_vec();
        settings.push(("ORCHESTRATOR_PORT".to_owned(), port.to_string()));
        let plan = Plan { program: program.to_owned(), persistence: *persistence, settings };
        let mut stage = Stage::start(&plan).await?;
        stage.start_role("orchestrator")?;
        ready(&mut stage, port).await?;
        runs.push(one(port, report::aof_name(*persistence)).await?);
        stage.end().await;
    }
    Ok(Api { environment, runs })
}

async fn one(port: u16, aof: &'static str) -> anyhow::Result<Run> {
    let mut first = Client::open(port).await?;
    let submitted = first.ask(&post()).await?;
    let submitted: serde_json::Value = serde_json::from_slice(&submitted).context("the answer to a submission")?;
    let get: Arc<str> = get(submitted["task_id"].as_str().context("a task_id")?).into();
    let mut rates = Vec::new();
    for connections in CONNECTIONS {
        for (request, text) in [("POST /tasks", Arc::from(post())), ("GET /tasks/{id}", get.clone())] {
            eprintln!("AOF {aof}: {request} over {connections} connections");
            let took = loops(port, connections, &text, WARM_UP, MEASURED).await?;
            let per_second = took.len() as f64 / MEASURED.as_secs_f64();
            rates.push(Rate { request, connections, per_second, quantiles: quantiles(took) });
        }
    }
    eprintln!("AOF {aof}: {SLOW} slow heads");
    let alone = quantiles(loops(port, BESIDE, &get, WARM_UP, SLOW_END).await?);
    let slow = tokio::spawn(slow_heads(port));
    let beside = quantiles(loops(port, BESIDE, &get, WARM_UP, SLOW_END).await?);
    let closed_after_seconds = slow.await??.as_secs_f64();
    Ok(Run { aof, rates, slow: Slow { connections: SLOW, alone, beside, closed_after_seconds } })
}

/// How long each request took that ended within the measured time, in ms.
async fn loops(
    port: u16,
    connections: usize,
    text: &Arc<str>,
    warm_up: Duration,
    measured: Duration,
) -> anyhow::Result<Vec<f64>> {
    let from = Instant::now() + warm_up;
    let until = from + measured;
    let mut loops = JoinSet::new();
    for _ in 0..connections {
        let (mut client, text) = (Client::open(port).await?, text.clone());
        loops.spawn(async move {
            let mut took = Vec::new();
            loop {
                let begun = Instant::now();
                client.ask(&text).await?;
                let ended = Instant::now();
                match ended {
                    _ if ended >= until => return anyhow::Ok(took),
                    _ if begun >= from => took.push((ended - begun).as_secs_f64() * 1e3),
                    _ => {}
                }
            }
        });
    }
    let mut all = Vec::new();
    while let Some(took) = loops.join_next().await {
        all.extend(took??);
    }
    Ok(all)
}

/// Connections that send a byte of a head each second, until all of them are closed; how long the slowest took.
async fn slow_heads(port: u16) -> anyhow::Result<Duration> {
    let mut heads = JoinSet::new();
    for _ in 0..SLOW {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        heads.spawn(async move {
            let begun = Instant::now();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await?;
            let mut byte = [0];
            loop {
                match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut byte)).await {
                    Ok(Ok(0) | Err(_)) => return anyhow::Ok(begun.elapsed()), // closed
                    Ok(Ok(_)) => {}
                    Err(_) if stream.write_all(b"x").await.is_err() => return Ok(begun.elapsed()),
                    Err(_) => {}
                }
            }
        });
    }
    let all = async {
        let mut slowest = Duration::ZERO;
        while let Some(closed) = heads.join_next().await {
            slowest = slowest.max(closed??);
        }
        anyhow::Ok(slowest)
    };
    tokio::time::timeout(SLOW_WITHIN, all).await.context("slow heads are not closed")?
}

async fn ready(stage: &mut Stage, port: u16) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        stage.check()?;
        let answer = async { Client::open(port).await?.ask("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n").await };
        match answer.await {
            Ok(_) => return Ok(()),
            Err(error) => anyhow::ensure!(begun.elapsed() < READY_WITHIN, "the API is not ready: {error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn post() -> String {
    let length = BODY.len();
    format!(
        "POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{BODY}"
    )
}

fn get(task_id: &str) -> String {
    format!("GET /tasks/{task_id} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

impl Client {
    async fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request; answers the body of a 2xx.
    async fn ask(&mut self, request: &str) -> anyhow::Result<Vec<u8>> {
        self.0.write_all(request.as_bytes()).await?;
        let (mut line, mut status, mut length) = (String::new(), String::new(), 0);
        loop {
            line.clear();
            anyhow::ensure!(self.0.read_line(&mut line).await? > 0, "the connection was closed");
            match line.trim_end() {
                "" => break,
                text if status.is_empty() => status = text.to_owned(),
                text => {
                    if let Some((name, value)) = text.split_once(": ")
                        && name.eq_ignore_ascii_case("content-length")
                    {
                        length = value.parse()?;
                    }
                }
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        anyhow::ensure!(status.starts_with("HTTP/1.1 2"), "{status}");
        Ok(body)
    }
}

impl Api {
    /// For programs.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = self.environment.text();
        for Run { aof, rates, slow } in &self.runs {
            let row = |rate: &Rate| {
                let Quantiles { p50_ms, p99_ms } = rate.quantiles;
                vec![
                    rate.request.to_owned(),
                    rate.connections.to_string(),
                    format!("{:.0}", rate.per_second),
                    format!("{p50_ms:.2}"),
                    format!("{p99_ms:.2}"),
                ]
            };
            let rows: Vec<Vec<String>> = rates.iter().map(row).collect();
            let table = print::table(&["REQUEST", "CONNECTIONS", "PER SECOND", "P50 MS", "P99 MS"], &rows);
            let Slow { connections, alone, beside, closed_after_seconds } = slow;
            text += &format!(
                "\nAOF {aof}\n{table}{BESIDE} connections of GET beside {connections} slow heads: p50 {:.2} ms, p99 {:.2} ms; \
                 alone {:.2} and {:.2} ms; a slow one was closed after {closed_after_seconds:.1} s at most\n",
                beside.p50_ms, beside.p99_ms, alone.p50_ms, alone.p99_ms,
            );
        }
        text
    }
}
