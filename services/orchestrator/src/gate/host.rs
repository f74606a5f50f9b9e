//! Under which name a request comes. Where nobody is asked who they are, only this machine may ask; a browser on it asks in the
//! name of any page that has a name of its own lead here (DNS rebinding), and then names that one as the host.

use crate::refusal::Refusal;
use poem::http::{HeaderMap, header};
use std::net::{IpAddr, Ipv6Addr};

/// Refuses any name but this machine's own.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_own(host) { Ok(()) } else { Err(Refusal::Misdirected) }
}

/// An address cannot be another's name.
fn is_own(host: &str) -> bool {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = host.split(':').next().unwrap_or_default();
    let is_name = |own: &str| name.eq_ignore_ascii_case(own);
    let is_below = || {
        name.len() > 10
            && name.is_char_boundary(name.len() - 10)
            && name[name.len() - 10..].eq_ignore_ascii_case(".localhost")
    };
    name.parse::<IpAddr>().is_ok() || is_name("localhost") || is_below()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_may_be_anybodys_is_not_ours() {
        for (host, own) in [
            ("localhost", true),
            ("LocalHost:8000", true),
            ("api.localhost:8000", true),
            ("127.0.0.1:8000", true),
            ("192.0.2.7", true),
            ("[::1]:8000", true),
            ("", false),
            ("evil.example", false),
            ("evil.example:8000", false),
            ("localhost.evil.example", false),
            ("notlocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("[evil.example]", false),
        ] {
            assert_eq!(is_own(host), own, "{host}");
        }
    }
}
