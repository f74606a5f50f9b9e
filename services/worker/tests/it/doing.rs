//! Handlers made of a closure, and what a test watches them by.

use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use worker::{Context, Handler, HandlerError, Handlers};

type Doing = Box<dyn Fn(Context) -> BoxFuture<'static, Result<Value, HandlerError>> + Send + Sync>;

/// Kind `do` of the default queue.
pub struct Do(Doing);

/// Kind `elsewhere` of the queue `other`.
pub struct Elsewhere(Doing);

impl Handler for Do {
    const KIND: &'static str = "do";
    type Input = Value;
    type Output = Value;
    async fn execute(&self, ctx: &Context, _: Value) -> Result<Value, HandlerError> {
        (self.0)(ctx.clone()).await
    }
}

impl Handler for Elsewhere {
    const KIND: &'static str = "elsewhere";
    const QUEUE: &'static str = "other";
    type Input = Value;
    type Output = Value;
    async fn execute(&self, ctx: &Context, _: Value) -> Result<Value, HandlerError> {
        (self.0)(ctx.clone()).await
    }
}

fn boxed<F, R>(doing: F) -> Doing
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, HandlerError>> + Send + 'static,
{
    Box::new(move |ctx| Box::pin(doing(ctx)))
}

/// A worker's handlers: `doing` for kind `do`.
pub fn handlers<F, R>(doing: F) -> Handlers
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, HandlerError>> + Send + 'static,
{
    Handlers::default().with(Do(boxed(doing)))
}

/// `doing` for kind `elsewhere`.
pub fn elsewhere<F, R>(doing: F) -> Elsewhere
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, HandlerError>> + Send + 'static,
{
    Elsewhere(boxed(doing))
}

/// What happened to the attempts of one test.
#[derive(Clone, Default)]
pub struct Watch {
    started: Arc<Mutex<Vec<String>>>,
    running: Arc<AtomicUsize>,
    stopped: Arc<Mutex<Vec<Instant>>>,
    /// What a held attempt waits for.
    pub gate: CancellationToken,
}

/// Counts an attempt down whichever way it ends.
struct Attempt(Watch);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.stopped.lock().expect("no panic").push(Instant::now());
    }
}

impl Watch {
    /// Ends at once.
    pub fn note(&self) -> Handlers {
        let watch = self.clone();
        handlers(move |ctx| {
            let attempt = watch.begin(&ctx);
            async move {
                drop(attempt);
                Ok(Value::Null)
            }
        })
    }

    /// Ends when the gate is open.
    pub fn hold(&self) -> Handlers {
        let watch = self.clone();
        handlers(move |ctx| {
            let (attempt, gate) = (watch.begin(&ctx), watch.gate.clone());
            async move {
                gate.cancelled().await;
                drop(attempt);
                Ok(Value::Null)
            }
        })
    }

    /// Ends after `duration`.
    pub fn take(&self, duration: Duration) -> Handlers {
        let watch = self.clone();
        handlers(move |ctx| {
            let attempt = watch.begin(&ctx);
            async move {
                tokio::time::sleep(duration).await;
                drop(attempt);
                Ok(Value::Null)
            }
        })
    }

    /// Takes the thread for `duration`, without an await.
    pub fn block(&self, duration: Duration) -> Handlers {
        let watch = self.clone();
        handlers(move |ctx| {
            let attempt = watch.begin(&ctx);
            async move {
                std::thread::sleep(duration);
                drop(attempt);
                Ok(Value::Null)
            }
        })
    }

    /// Only that it was started.
    pub fn note_start(&self, ctx: &Context) {
        self.started.lock().expect("no panic").push(ctx.idempotency_key().to_string());
    }

    fn begin(&self, ctx: &Context) -> Attempt {
        self.note_start(ctx);
        self.running.fetch_add(1, Ordering::SeqCst);
        Attempt(self.clone())
    }

    /// The subtasks in the order in which they were started.
    pub fn started(&self) -> Vec<String> {
        self.started.lock().expect("no panic").clone()
    }

    pub fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// When attempts ended, whichever way.
    pub fn stopped(&self) -> Vec<Instant> {
        self.stopped.lock().expect("no panic").clone()
    }
}
