//! The connection: one pipelined command client, and one of its own for each blocking call.
//!
//! A command is sent once and fails at once while there is no connection; [`Store`] itself sends it again, with
//! jittered backoff, until its patience ends. That is safe because every script is safe to run twice. What failed for
//! want of a connection is queued nowhere and does not happen later. Only a command that was sent and not answered may
//! still happen, or have happened.

use crate::error::StoreError;
use crate::error_counts::{ERROR_CLASSES, ErrorCounts};
use crate::script::LuaScript;
use backon::{ExponentialBuilder, Retryable};
use fred::prelude::*;
use fred::types::RespVersion;
use fred::types::config::{Options, ReconnectError, UnresponsiveConfig};
use fred::types::{ClusterHash, CustomCommand};
use proto_schemas::QueueName;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;

/// How to reach Redis and how long to insist.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis[s]://[user:password@]host:port/db`; never printed.
    pub url: SecretString,
    /// How long a command is tried again while Redis is unavailable; a server that hangs may take a second more.
    pub patience: Duration,
}

/// A handle on Redis; cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Client,
    patience: Duration,
    connections: Arc<AtomicU64>,
    errors: Arc<ErrorCounts>,
    queues: Arc<Mutex<BTreeSet<QueueName>>>,
}

const SCHEMES: [&str; 2] = ["redis://", "rediss://"];

/// The same reason for having no connection is logged once in this time.
const SAME_ERROR_EVERY: Duration = Duration::from_secs(60);

/// One answer of Redis must come within this, or the command counts as unavailable.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

impl Store {
    /// Starts connecting and returns at once; it keeps reconnecting for ever and logs what prevents it, the same at
    /// most once a minute. Must be called inside a tokio runtime, to whose threads the connection then belongs.
    pub fn connect(config: &RedisConfig) -> Result<Self, StoreError> {
        let url = config.url.expose_secret();
        if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(StoreError::Address); // the parser takes any
        }
        let mut address = Config::from_url(url).map_err(|_| StoreError::Address)?;
        address.version = RespVersion::RESP2;
        address.fail_fast = false;
        let mut builder = Builder::from_config(address);
        builder.set_policy(ReconnectPolicy::new_exponential(0, 20, 1_000, 2));
        builder.with_connection_config(|connection| {
            connection.connection_timeout = Duration::from_secs(2);
            connection.internal_command_timeout = Duration::from_secs(3);
            connection.max_command_attempts = 1;
            connection.unresponsive =
                UnresponsiveConfig { max_timeout: Some(Duration::from_secs(10)), interval: Duration::from_secs(2) };
            connection.reconnect_errors = vec![
                ReconnectError::Loading,
                ReconnectError::ReadOnly,
                ReconnectError::ClusterDown,
                ReconnectError::MasterDown,
            ];
            connection.tcp = TcpConfig { nodelay: Some(true), ..Default::default() };
        });
        let client = builder.build().map_err(|_| StoreError::Address)?;
        log_errors(&client);
        Ok(Self::open(client, config.patience, Arc::default()))
    }

    /// The same address through a connection of its own, for blocking calls or for another runtime.
    pub fn connect_again(&self) -> Self {
        Self::open(self.client.clone_new(), self.patience, self.errors.clone())
    }

    /// The same connection with another patience.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// How often a connection was made: a loop that sees it change asks whether the server is still the same.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether there is a connection right now; touches nothing.
    pub fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    /// How often a try of a command has failed, by class; of this handle and all that were made of it.
    pub fn error_counts(&self) -> [(&'static str, u64); ERROR_CLASSES.len()] {
        std::array::from_fn(|class| (ERROR_CLASSES[class], self.errors.of(class)))
    }

    /// Waits until there is a connection, at most `limit`; says whether there is.
    pub async fn wait_connected(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.client.wait_for_connect()).await.is_ok_and(|result| result.is_ok())
    }

    /// Closes the connection; never hangs.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.client.quit()).await;
    }

    /// Sends one command that is safe to send twice, until it is answered or patience ends.
    pub(crate) async fn command(&self, name: &'static str, args: Vec<Value>) -> Result<Value, StoreError> {
        self.insist(|limit| self.send(name, args.clone(), limit)).await
    }

    /// Sends one command exactly once, as soon as there is a connection: for reads that lease, and for calls that block
    /// up to `block`.
    pub(crate) async fn command_once(
        &self,
        name: &'static str,
        args: Vec<Value>,
        block: Duration,
    ) -> Result<Value, StoreError> {
        self.wait_connected(self.patience).await; // if it does not come, the command says why
        let answer = self.send(name, args, block + attempt_limit(self.patience)).await;
        answer.inspect_err(|error| self.errors.count(error))
    }

    /// Runs a script, loading it where the server does not know it, until it is answered or patience ends.
    pub(crate) async fn eval(
        &self,
        script: &LuaScript,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, StoreError> {
        let mut call: Vec<Value> = Vec::with_capacity(keys.len() + args.len() + 2);
        call.push(script.digest.as_str().into());
        call.push((keys.len() as i64).into());
        call.extend(keys.iter().map(|key| Value::from(key.as_str())));
        call.extend(args);
        let call = &call;
        self.insist(|limit| async move {
            match self.send_raw("EVALSHA", call.clone(), limit).await {
                Err(error) if error.details().starts_with("NOSCRIPT") => {
                    let mut call = call.clone();
                    call[0] = script.source.as_str().into();
                    self.send("EVAL", call, limit).await
                }
                other => other.map_err(StoreError::from),
            }
        })
        .await
    }

    fn open(client: Client, patience: Duration, errors: Arc<ErrorCounts>) -> Self {
        let connections = Arc::new(AtomicU64::new(0));
        let (counter, mut made) = (connections.clone(), client.reconnect_rx());
        tokio::spawn(async move {
            while !matches!(made.recv().await, Err(RecvError::Closed)) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        drop(client.connect()); // the connection task goes on by itself
        let queues = Arc::new(Mutex::new(BTreeSet::from([QueueName::default_queue()])));
        Self { client, patience, connections, errors, queues }
    }

    /// The queues that scripts have named to this handle and its clones.
    pub(crate) fn queues_lock(&self) -> MutexGuard<'_, BTreeSet<QueueName>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Repeats `attempt`, which is given the time that it may take, until it is answered or patience ends.
    async fn insist<F, T>(&self, mut attempt: F) -> Result<Value, StoreError>
    where
        F: FnMut(Duration) -> T,
        T: Future<Output = Result<Value, StoreError>>,
    {
        let started = Instant::now();
        let left = || self.patience.saturating_sub(started.elapsed());
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(10))
            .with_max_delay(Duration::from_millis(500))
            .without_max_times()
            .with_total_delay(Some(self.patience))
            .with_jitter();
        // Asked once after each try that failed, so it counts them too: a future around each try would double its size.
        let may_try_again = |error: &StoreError| {
            self.errors.count(error);
            error.is_transient() && !left().is_zero()
        };
        (|| attempt(attempt_limit(left()))).retry(pauses).when(may_try_again).await
    }

    async fn send(&self, name: &'static str, args: Vec<Value>, timeout: Duration) -> Result<Value, StoreError> {
        self.send_raw(name, args, timeout).await.map_err(StoreError::from)
    }

    async fn send_raw(&self, name: &'static str, args: Vec<Value>, timeout: Duration) -> FredResult<Value> {
        let options = Options { fail_fast: true, timeout: Some(timeout), ..Default::default() };
        let command = CustomCommand::new_static(name, ClusterHash::FirstKey, is_blocking(name, &args));
        self.client.with_options(&options).custom(command, args).await
    }
}

fn log_errors(client: &Client) {
    let mut errors = client.error_rx();
    tokio::spawn(async move {
        let mut told: Option<(String, Instant)> = None;
        loop {
            match errors.recv().await {
                Ok((error, _)) => {
                    let known =
                        |(text, at): &(String, Instant)| text == error.details() && at.elapsed() < SAME_ERROR_EVERY;
                    if !told.as_ref().is_some_and(known) {
                        tracing::warn!(error = error.details(), "no connection to redis");
                        told = Some((error.details().to_owned(), Instant::now()));
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
}

/// The time for one answer out of what is left of the patience: too little of it would never see one.
fn attempt_limit(left: Duration) -> Duration {
    left.clamp(Duration::from_secs(1), COMMAND_TIMEOUT)
}

fn is_blocking(name: &str, args: &[Value]) -> bool {
    name == "BLPOP"
        || name == "WAIT"
        || (matches!(name, "XREADGROUP" | "XREAD")
            && args.iter().any(|arg| arg.as_str().is_some_and(|text| text == "BLOCK")))
}
