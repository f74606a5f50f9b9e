//! What a client may ask for in a time, counted in Redis so that all replicas count together. While Redis does not answer,
//! whoever wants to look may, and whoever wants to change something could not anyway.

use crate::context::Context;
use crate::refusal::Refusal;
use crate::routes::scope::Scope;
use crate::trail::{Left, Trail};
use redis_store::throttle::Throttled;
use std::time::Duration;

/// Takes one request out of the allowance of whoever sends it: of the client, or of the address where nobody is asked.
pub async fn take(context: &Context, trail: &Trail, scope: Scope) -> Result<(), Refusal> {
    let Some(of) = context.allowance else { return Ok(()) };
    let by_address = || format!("address:{}", trail.address);
    let name = trail.client.get().cloned().unwrap_or_else(by_address);
    match context.ask(context.store.throttle(&name, of)).await {
        Ok(Throttled::Allowed(requests, reset)) => {
            let _ = trail.left.set(Left { of, requests, reset });
            Ok(())
        }
        Ok(Throttled::Limited(reset)) => {
            let _ = trail.left.set(Left { of, requests: 0, reset });
            Err(Refusal::Throttled(reset.max(Duration::from_secs(1))))
        }
        Err(_) if scope == Scope::Read => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
