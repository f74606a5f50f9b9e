//! What becomes known of a request on its way: made at its head, filled at the gate, read when its answer leaves.

use crate::routes::operation::Operation;
use crate::traced::TracedRequest;
use poem::Request;
use redis_store::throttle::Allowance;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use ulid::Ulid;

/// The trail of one request.
#[derive(Debug)]
pub struct Trail {
    /// A ULID of our own: a client's could not be trusted to be unique or harmless in a log.
    pub request_id: String,
    /// Where it comes from.
    pub address: String,
    /// Where it leads, if anywhere.
    pub operation: OnceLock<&'static Operation>,
    /// That it has passed the gate.
    pub is_let_in: OnceLock<()>,
    /// What it has made, as the path where that is read.
    pub made: OnceLock<String>,
    /// Which of several things it means, in words for the audit.
    pub meant: OnceLock<String>,
    /// How much of that was done, in words for the audit.
    pub became: OnceLock<String>,
    /// Who asks, as far as anybody was asked.
    pub client: OnceLock<String>,
    /// What is left of their allowance, if there is one.
    pub left: OnceLock<Left>,
    /// What it is in traces, if they are on.
    pub traced: Option<TracedRequest>,
}

impl Trail {
    /// The trail of a request that has just come.
    pub fn of(request: &Request) -> Self {
        let address = request.remote_addr().as_socket_addr().map(|address| address.ip().to_string());
        Self { address: address.unwrap_or_default(), traced: TracedRequest::of(request), ..Self::default() }
    }

    /// The trace that it belongs to, for the log; nothing if that is not recorded.
    pub fn trace_id(&self) -> Option<String> {
        let place = self.traced.as_ref()?.place();
        place.is_sampled.then(|| place.trace_id())
    }
}

impl Default for Trail {
    /// Of what is not a request yet.
    fn default() -> Self {
        Self {
            request_id: Ulid::generate().to_string(),
            address: String::new(),
            operation: OnceLock::new(),
            is_let_in: OnceLock::new(),
            made: OnceLock::new(),
            meant: OnceLock::new(),
            became: OnceLock::new(),
            client: OnceLock::new(),
            left: OnceLock::new(),
            traced: None,
        }
    }
}

/// What is left of an allowance.
#[derive(Debug, Clone, Copy)]
pub struct Left {
    /// All of it.
    pub of: Allowance,
    /// Requests.
    pub requests: u64,
    /// Until it is whole again, or until the next request is allowed.
    pub reset: Duration,
}

/// As handlers are given it.
pub type SharedTrail = Arc<Trail>;
