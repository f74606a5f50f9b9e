//! Under which name a request comes. Whoever runs a page can have a name of their own lead here (DNS rebinding); a
//! browser that reaches us then asks in the name of that page, and names that one as the host. So where nobody is asked
//! who they are, the name is what tells such a request from the others.

use crate::refusal::Refusal;
use poem::http::{HeaderMap, header};
use std::net::{IpAddr, Ipv6Addr};

/// The names under which the API may be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Hosts {
    /// Any.
    #[default]
    Any,
    /// Addresses, `localhost` and what is below it.
    Own,
    /// These names and addresses alone, without ports and brackets.
    Named(Vec<String>),
}

impl Hosts {
    /// Refuses a request that comes under another name.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let name = name(host);
        let may_pass = match self {
            Self::Any => true,
            Self::Own => is_own(name),
            Self::Named(names) => names.iter().any(|known| name.eq_ignore_ascii_case(known)),
        };
        if may_pass { Ok(()) } else { Err(Refusal::Misdirected) }
    }
}

/// A host without its port, and an address of IPv6 without its brackets.
fn name(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) if address.parse::<Ipv6Addr>().is_ok() => address,
        Some(_) => "",
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// An address cannot be another's name.
fn is_own(name: &str) -> bool {
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
            assert_eq!(is_own(name(host)), own, "{host}");
        }
    }

    #[test]
    fn where_names_are_listed_there_are_no_others() {
        let hosts = Hosts::Named(vec!["localhost".to_owned(), "api.example".to_owned(), "::1".to_owned()]);
        for (host, may_pass) in [
            ("localhost:8000", true),
            ("API.example", true),
            ("[::1]:8000", true),
            ("127.0.0.1", false),
            ("api.localhost", false),
            ("evil.api.example", false),
            ("api.example.evil.example", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            assert_eq!(hosts.check(&headers).is_ok(), may_pass, "{host}");
            assert!(Hosts::Any.check(&headers).is_ok());
        }
    }
}
