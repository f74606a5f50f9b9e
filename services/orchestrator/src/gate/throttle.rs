//! What a client may ask for in a time, counted in Redis so that all replicas count together. While Redis refuses
//! writes it counts nothing, and whoever wants to look may. While it does not answer, nobody could be served anyway:
//! they are told so here, because their handler would only wait a second time.

use crate::context::Context;
use crate::refusal::Refusal;
use crate::routes::scope::Scope;
use crate::trail::{Left, Trail};
use redis_store::throttle::Throttled;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// The part of an address that a provider gives to one customer: of IPv6 the first 64 bits.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).to_string(),
        },
        Ok(IpAddr::V4(_)) | Err(_) => address.to_owned(),
    }
}

/// Takes one request out of the allowance of whoever sends it: of the client, or of the address where nobody is asked.
pub async fn take(context: &Context, trail: &Trail, scope: Scope) -> Result<(), Refusal> {
    let Some(of) = context.allowance else { return Ok(()) };
    if scope == Scope::Read && context.gauge.seen().stop.is_some() {
        return Ok(());
    }
    let by_address = || format!("address:{}", network(&trail.address));
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
        // It is there and does not count, which the governor has not seen yet.
        Err(Refusal::Store(error)) if scope == Scope::Read && (error.refuses_writes() || !error.is_transient()) => {
            Ok(())
        }
        Err(refusal) => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn neighbours_in_one_network_are_one_client() {
        for (address, expect) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
            ("", ""),
        ] {
            assert_eq!(network(address), expect);
        }
    }
}
