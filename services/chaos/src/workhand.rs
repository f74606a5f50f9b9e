//! `chaos worker`: a worker as any user embeds one, with the handler of this harness.

use crate::clock::now;
use crate::error::{ChaosError, io};
use crate::handler::{Bench, Work};
use crate::ledger::Lines;
use crate::options::{pairs, parse};
use crate::stall::{STALL_MS, watch_time};
use redis_store::{RedisConfig, Store};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use worker::{Config, Handlers};

const ASK_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);
/// The exit code of a worker that cannot end a handler, as the real one has it.
pub const UNHEALTHY: i32 = 70;
const GRACE: Duration = Duration::from_secs(3);

/// The execution logs, in the folder of the run.
pub const LEDGER_ENDING: &str = ".runs.ledger";

/// What a worker is told.
struct Orders {
    id: String,
    redis: String,
    lease: Duration,
    slots: usize,
}

/// Runs in the current directory until SIGTERM.
pub fn serve(words: &[String]) -> Result<(), ChaosError> {
    let orders = Orders::read(words)?;
    let log = telemetry::LogConfig {
        level: "info".to_owned(),
        format: telemetry::LogFormat::Text,
        file: None,
        name: orders.id.clone(),
    };
    let _guard = telemetry::init(log).map_err(|error| ChaosError::Setup(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(io("starting threads"))?.block_on(run(orders))
}

async fn run(orders: Orders) -> Result<(), ChaosError> {
    let shutdown = CancellationToken::new();
    let mut term = signal(SignalKind::terminate()).map_err(io("listening to SIGTERM"))?;
    let stop = shutdown.clone();
    tokio::spawn(async move {
        term.recv().await;
        stop.cancel();
    });
    let failed = |error: &dyn std::error::Error| ChaosError::Setup(error.to_string());
    let store = RedisConfig { url: orders.redis.clone().into(), patience: PATIENCE };
    let store = Store::connect(&store).map_err(|error| failed(&error))?;
    let folder = Path::new(".");
    let ledger = Lines::open(&folder.join(format!("{}{LEDGER_ENDING}", orders.id)))?;
    let bench = Arc::new(Bench { worker: orders.id.clone(), folder: folder.to_owned(), ledger });
    let watched = bench.clone();
    std::thread::spawn(move || watch_time(|| false, |from, to| watched.starved(from, to)));
    tokio::spawn(watch_redis(store.connect_again().with_patience(Duration::ZERO), bench.clone()));
    let config = Config {
        worker_id: orders.id,
        slots: orders.slots,
        lease: orders.lease,
        grace: GRACE,
        wedged: || std::process::exit(UNHEALTHY),
        ..Config::default()
    };
    let handlers = Handlers::default().with(Work(bench));
    // As the product does: on a thread of the runtime.
    let working = worker::run(config, handlers, store.clone(), telemetry::Pulse::default(), shutdown);
    let ended = tokio::spawn(working).await.map_err(|error| failed(&error))?;
    store.close().await;
    ended.map_err(|error| failed(&error))
}

/// Asks Redis for the time over and over, as far from it as this worker's own calls are, and notes what came late.
async fn watch_redis(store: Store, bench: Arc<Bench>) {
    loop {
        let asked = now();
        let _ = store.now_ms().await;
        let answered = now();
        if answered - asked > STALL_MS {
            bench.starved(asked, answered);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

impl Orders {
    fn read(words: &[String]) -> Result<Self, ChaosError> {
        let mut orders = Self { id: String::new(), redis: String::new(), lease: Duration::from_secs(1), slots: 8 };
        for (name, value) in pairs(words)? {
            match name {
                "id" => orders.id = value.to_owned(),
                "redis" => orders.redis = value.to_owned(),
                "lease-ms" => orders.lease = Duration::from_millis(parse(name, value)?),
                "slots" => orders.slots = parse(name, value)?,
                _ => return Err(ChaosError::Usage(format!("there is no option --{name}"))),
            }
        }
        Ok(orders)
    }
}
