//! Where a webhook may lead: out into the public internet, and nowhere else unless the settings name it. Pure: whoever
//! connects resolves the name, asks here about the address that came of it, and connects to that very address.
//!
//! The rules: `https` on port 443 or 8443, no user in the URL, a name that could be public, an address that is. The
//! addresses are those of IANA's special-purpose registries (RFC 6890, 5735, 4291, 8215 and successors); of IPv6 only
//! 2000::/3 is given out at all. What WHATWG reads as an address is one, however it is written.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use url::{Host, Url};

const PORTS: [u16; 2] = [443, 8443];
/// Names that never are public ones (RFC 6761, 6762, 8375, 9476, and ICANN's reservation of `internal`).
const PRIVATE_NAMES: [&str; 10] =
    ["alt", "arpa", "example", "home", "internal", "invalid", "lan", "local", "localhost", "test"];

/// What the settings name: these hosts may be private, speak plain HTTP, and listen on any port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Egress {
    /// What may be reached besides what is public.
    pub allowed: Vec<Allowed>,
}

/// A host and port that the settings name, such as `hooks.internal:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    host: Host,
    port: u16,
}

/// Not a host and a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a host and a port are needed, such as hooks.internal:8080")]
pub struct NoAllowed;

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub is_tls: bool,
    /// Path and query, as they stand in a request line.
    pub path: String,
    /// Whether the settings name it.
    is_allowed: bool,
}

impl Egress {
    /// Where `text` leads, or the end of a sentence about why it may not.
    pub fn target(&self, text: &str) -> Result<Target, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be a URL")?;
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err("must begin with https://"),
        };
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err("must name a host");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not carry a user or a password");
        }
        if url.fragment().is_some() {
            return Err("must not have a fragment");
        }
        let host = host.to_owned();
        let is_allowed = self.allowed.iter().any(|allowed| allowed.host == host && allowed.port == port);
        if !is_allowed {
            if !is_tls {
                return Err("must begin with https://");
            }
            if !PORTS.contains(&port) {
                return Err("must use port 443 or 8443");
            }
            let is_public = match &host {
                Host::Domain(name) => is_public_name(name),
                Host::Ipv4(address) => is_public((*address).into()),
                Host::Ipv6(address) => is_public((*address).into()),
            };
            if !is_public {
                return Err("must lead to a public host");
            }
        }
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        Ok(Target { host, port, is_tls, path, is_allowed })
    }
}

impl Target {
    /// Whether it may be reached at this address.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.is_allowed || is_public(address)
    }
}

impl FromStr for Allowed {
    type Err = NoAllowed;

    fn from_str(text: &str) -> Result<Self, NoAllowed> {
        let (host, port) = text.rsplit_once(':').ok_or(NoAllowed)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(NoAllowed)?;
        Ok(Self { host: Host::parse(host).map_err(|_| NoAllowed)?, port })
    }
}

/// Whether a name could be public: of several labels, the last of them none that is not.
fn is_public_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    name.contains('.') && !last.is_empty() && !PRIVATE_NAMES.contains(&last)
}

/// Whether an address is given out to somebody on the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        [0 | 10 | 127, ..] => false,
        [100, 64..=127, ..] => false,                 // shared by carriers
        [169, 254, ..] => false,                      // link-local, and where clouds tell secrets
        [172, 16..=31, ..] | [192, 168, ..] => false, // private
        [192, 0, 0 | 2, _] => false,                  // of protocols, documentation
        [192, 88, 99, _] => false,                    // relays of 6to4
        [192, 31, 196, _] | [192, 52, 193, _] | [192, 175, 48, _] => false, // anycast of AS112 and AMT
        [198, 18..=19, ..] => false,                  // benchmarks
        [198, 51, 100, _] | [203, 0, 113, _] => false, // documentation
        [224..=255, ..] => false,                     // multicast, reserved, broadcast
        _ => true,
    }
}

/// Of what is given out, not what is only a tunnel, a mapping or an example: those hide an address of another sort.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0..=0x1ff, ..] => false, // of protocols, Teredo, benchmarks, ORCHID
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false, // documentation
        [0x2002, ..] => false,            // 6to4
        [0x2620, 0x4f, 0x8000, ..] => false, // anycast of AS112
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<&'static str> {
        Egress::default().target(text).err()
    }

    #[test]
    fn what_is_public_may_be_reached() {
        for url in [
            "https://example.org/hooks?tenant=1",
            "https://example.org:8443",
            "https://9.9.9.9/",
            "https://[2620:fe::fe]/",
            "HTTPS://BÜCHER.example.org",
            "https://example.org./",
        ] {
            let expect = url.ends_with("./").then_some("must lead to a public host");
            assert_eq!(refusal(url), expect, "{url}");
        }
        let target = Egress::default().target("https://Example.org/a/../b?c=d").unwrap();
        assert_eq!((target.path.as_str(), target.port, target.is_tls), ("/b?c=d", 443, true));
        assert_eq!(target.host, Host::Domain("example.org".to_owned()));
        assert!(target.permits([9, 9, 9, 9].into()) && !target.permits([127, 0, 0, 1].into()));
    }

    #[test]
    fn every_other_way_is_closed() {
        for url in [
            "",
            "example.org",
            "/hooks",
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
            "javascript:alert(1)",
            "http://example.org/",
            "https://example.org:80/",
            "https://example.org:22/",
            "https://example.org:6379/",
            "https://user@example.org/",
            "https://:password@example.org/",
            "https://example.org/#fragment",
            "https://localhost/",
            "https://redis/",
            "https://redis.internal/",
            "https://printer.local/",
            "https://a.localhost/",
            "https://1.0.0.127.in-addr.arpa/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://0/",
            "https://①②⑦.0.0.1/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://192.168.1.1/",
            "https://100.64.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://192.0.2.1/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[64:ff9b:1::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001::7f00:1]/",
            "https://[2001:db8::1]/",
            "https://[fc00::1]/",
            "https://[fe80::1]/",
            "https://[fec0::1]/",
            "https://[ff02::1]/",
        ] {
            assert!(refusal(url).is_some(), "{url}");
        }
    }

    #[test]
    fn the_borders_of_what_is_public_lie_where_the_registries_say() {
        for (address, public) in [
            ("9.255.255.255", true),
            ("11.0.0.0", true),
            ("100.63.255.255", true),
            ("100.128.0.0", true),
            ("172.15.255.255", true),
            ("172.32.0.0", true),
            ("192.0.1.0", true),
            ("198.17.255.255", true),
            ("198.20.0.0", true),
            ("223.255.255.255", true),
            ("240.0.0.1", false),
            ("1fff:ffff::1", false),
            ("2000::1", true),
            ("2001:1ff::1", false),
            ("2001:200::1", true),
            ("3ffe::1", true),
            ("3fff:fff::1", false),
            ("3fff:1000::1", true),
            ("4000::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn what_the_settings_name_may_be_private_and_plain_at_that_port_alone() {
        let allowed = ["127.0.0.1:9000", "Hooks.Internal:80", "[::1]:9000"].map(|text| text.parse().unwrap());
        let egress = Egress { allowed: allowed.to_vec() };
        let target = egress.target("http://127.1:9000/x").unwrap();
        assert!(!target.is_tls && target.permits([10, 0, 0, 1].into()));
        for (url, is_open) in [
            ("http://hooks.internal/", true),
            ("https://[::1]:9000/", true),
            ("http://127.0.0.1:9001/", false),
            ("https://hooks.internal/", false),
            ("http://hooks.internal.:80/", false),
            ("http://u:p@127.0.0.1:9000/", false),
        ] {
            assert_eq!(egress.target(url).is_ok(), is_open, "{url}");
        }
        for text in ["", "host", "host:0", "host:65536", ":80", "a b:80", "http://h:80"] {
            assert_eq!(text.parse::<Allowed>(), Err(NoAllowed), "{text}");
        }
    }
}
