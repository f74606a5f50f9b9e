//! The trait behind a kind, and the registry of those this process has.

use crate::context::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use proto_schemas::{Kind, QueueName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The code for one kind.
///
/// It may run more than once for the same subtask: at-least-once is the promise, so an effect outside belongs under
/// [`Context::idempotency_key`]. It runs in a task of its own and is stopped at an await: when its timeout or deadline
/// is over, when its task was cancelled, when its lease is lost. Work that takes a thread without an await belongs in
/// `tokio::task::spawn_blocking`: nothing could stop it, and a worker with a handler that cannot be stopped 5 s after
/// its limit ends ([`Config::wedged`](crate::Config::wedged)).
pub trait Handler: Send + Sync + 'static {
    /// The name subtasks ask for: 1 to 64 characters out of `A-Z a-z 0-9 _ . -`.
    const KIND: &'static str;
    /// The queue its subtasks wait in.
    const QUEUE: &'static str = "default";
    /// Read from the subtask's `params`.
    type Input: DeserializeOwned + Send;
    /// Stored as the result's `output`, at most 256 KiB of JSON.
    type Output: Serialize + Send;

    /// Does the work.
    fn execute(
        &self,
        ctx: &Context,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, HandlerError>> + Send;
}

/// Why a handler gave up; the message is shown to people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// Another attempt may succeed, after a pause that grows with the attempts.
    #[error("{0}")]
    Retryable(String),
    /// Another attempt may succeed, but not before so long.
    #[error("{1}")]
    RetryAfter(Duration, String),
    /// No attempt will.
    #[error("{0}")]
    Fatal(String),
}

pub(crate) trait ErasedHandler: Send + Sync {
    fn execute<'a>(&'a self, ctx: &'a Context, payload: &'a str) -> BoxFuture<'a, Result<String, HandlerError>>;
}

struct Typed<H>(H);

impl<H: Handler> ErasedHandler for Typed<H> {
    fn execute<'a>(&'a self, ctx: &'a Context, payload: &'a str) -> BoxFuture<'a, Result<String, HandlerError>> {
        async move {
            let input = serde_json::from_str(payload)
                .map_err(|error| HandlerError::Fatal(format!("params do not fit this kind: {error}")))?;
            let output = self.0.execute(ctx, input).await?;
            serde_json::to_string(&output)
                .map_err(|error| HandlerError::Fatal(format!("the output cannot be written as JSON: {error}")))
        }
        .boxed()
    }
}

struct Registered {
    queue: QueueName,
    handler: Arc<dyn ErasedHandler>,
}

/// The handlers of a process: one file and one line each.
#[derive(Default)]
pub struct Handlers(HashMap<Kind, Registered>);

impl Handlers {
    /// Adds a handler; a later one of the same kind replaces the earlier.
    ///
    /// # Panics
    /// If the kind or queue of `H` is not a valid name: a mistake in the program, found at its first start.
    #[must_use]
    pub fn with<H: Handler>(mut self, handler: H) -> Self {
        let kind = Kind::new(H::KIND).expect("Handler::KIND is a valid kind");
        let queue = QueueName::new(H::QUEUE).expect("Handler::QUEUE is a valid queue");
        self.0.insert(kind, Registered { queue, handler: Arc::new(Typed(handler)) });
        self
    }

    /// Every kind with its queue.
    pub fn queues(&self) -> impl Iterator<Item = (&Kind, &QueueName)> {
        self.0.iter().map(|(kind, registered)| (kind, &registered.queue))
    }

    /// Those of `kinds`; all of them if it is empty.
    pub(crate) fn only(mut self, kinds: &[Kind]) -> Self {
        self.0.retain(|kind, _| kinds.is_empty() || kinds.contains(kind));
        self
    }

    pub(crate) fn get(&self, kind: &Kind) -> Option<Arc<dyn ErasedHandler>> {
        self.0.get(kind).map(|registered| registered.handler.clone())
    }
}
