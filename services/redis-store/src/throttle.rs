//! How much a client may ask for, counted where all replicas of the API see it.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use std::time::Duration;

/// How many requests a client may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// At once, after it was quiet.
    pub requests: u64,
    /// In which an allowance that is used up comes back, evenly.
    pub window: Duration,
}

/// The answer to a request for one request more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttled {
    /// It is allowed: so many are left, and so long until all of them are.
    Allowed(u64, Duration),
    /// It is not, for so long.
    Limited(Duration),
}

impl Store {
    /// Takes one request out of the allowance of `client`. Sent again after a lost reply it takes two: a limit that
    /// errs on the side of the limit.
    pub async fn throttle(&self, client: &str, allowance: Allowance) -> Result<Throttled, StoreError> {
        let window_ms = allowance.window.as_millis().to_string();
        let args = value::args([&allowance.requests.to_string(), &window_ms]);
        let answer = value::array(self.eval(&script::THROTTLE, vec![key::rate(client)], args).await?, "throttle")?;
        let number =
            |at: usize| answer.get(at).and_then(fred::types::Value::as_u64).ok_or(StoreError::Reply("throttle"));
        let (left, wait) = (number(1)?, Duration::from_millis(number(2)?));
        match answer.first().and_then(fred::types::Value::as_string).as_deref() {
            Some("allowed") => Ok(Throttled::Allowed(left, wait)),
            Some("limited") => Ok(Throttled::Limited(wait)),
            _ => Err(StoreError::Reply("throttle")),
        }
    }
}
