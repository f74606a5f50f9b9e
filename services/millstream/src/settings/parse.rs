//! From the text of a setting to its value. A refusal says what is needed and never what was given.

use proto_schemas::Kind;
use secrecy::SecretString;
use std::fmt::Display;
use std::time::Duration;

/// A whole number from `min` to `max`.
pub fn whole<T: TryFrom<u64>>(min: u64, max: u64) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        let refusal = || format!("a whole number from {min} to {max} is needed");
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(refusal)
    }
}

/// Whole seconds from `min` to `max`.
pub fn seconds(min: u64, max: u64) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync {
    move |text| whole(min, max)(text).map(Duration::from_secs)
}

/// Whole milliseconds from `min` to `max`.
pub fn millis(min: u64, max: u64) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync {
    move |text| whole(min, max)(text).map(Duration::from_millis)
}

/// A factor: a number from 0 to 1,000,000.
pub fn factor(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1e6).contains(number));
    number.ok_or_else(|| "a number from 0 to 1000000 is needed".to_owned())
}

/// A part of a whole: a number from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "a number from 0 to 1 is needed".to_owned())
}

/// The base address of a collector. Credentials would be shown wherever an address is: they belong into a header.
pub fn collector_url(text: &str) -> Result<SecretString, String> {
    let is_plain = |url: &reqwest::Url| {
        url.scheme() == "http"
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let fits = text.parse::<reqwest::Url>().is_ok_and(|url| is_plain(&url));
    fits.then(|| SecretString::from(text)).ok_or_else(|| {
        "an address such as http://127.0.0.1:4318 is needed, without user and password; a header goes into \
         OTEL_EXPORTER_OTLP_HEADERS"
            .to_owned()
    })
}

/// The address of Redis; whether it can be used is found out when it is.
pub fn redis_url(text: &str) -> Result<SecretString, String> {
    let known = ["redis://", "rediss://"].iter().any(|scheme| text.starts_with(scheme));
    known
        .then(|| SecretString::from(text))
        .ok_or_else(|| "redis://[user:password@]host:port/db is needed, or rediss:// for TLS".to_owned())
}

/// A secret in one word.
pub fn secret(text: &str) -> Result<SecretString, String> {
    let fits = !text.is_empty() && text.chars().all(|char| char.is_ascii_graphic());
    fits.then(|| SecretString::from(text)).ok_or_else(|| "a word of ASCII is needed".to_owned())
}

/// The origin of a page: scheme, host and, if it is not the usual one, port.
pub fn origin(text: &str) -> Result<String, String> {
    let url = text.parse::<reqwest::Url>().ok().filter(|url| url.origin().ascii_serialization() == text);
    url.map(|_| text.to_owned()).ok_or_else(|| "origins such as https://example.org are needed".to_owned())
}

/// A host name or an address; IPv6 with or without brackets.
pub fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let fits = |char: char| char.is_ascii_alphanumeric() || ".-_:%".contains(char);
    if bare.is_empty() || !bare.chars().all(fits) {
        return Err("a host name or an address without a port is needed".to_owned());
    }
    if bare.contains(':') && bare.parse::<std::net::Ipv6Addr>().is_err() {
        return Err("a host name or an address without a port is needed".to_owned());
    }
    Ok(bare.to_owned())
}

/// A name out of the alphabet of ids, at most 32 characters so that a consumer name can be made of it.
pub fn worker_id(text: &str) -> Result<String, String> {
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !fits || !(1..=32).contains(&text.len()) {
        return Err("1 to 32 characters out of A-Z a-z 0-9 _ . - are needed".to_owned());
    }
    Ok(text.to_owned())
}

/// One kind of a list.
pub fn kind(text: &str) -> Result<Kind, String> {
    Kind::new(text.trim()).map_err(shown)
}

/// A level or directives of the log.
pub fn log_level(text: &str) -> Result<String, String> {
    telemetry::log::check_level(text).map_err(shown)?;
    Ok(text.to_owned())
}

/// The base address of the API.
pub fn api_url(text: &str) -> Result<reqwest::Url, String> {
    let url = text.parse::<reqwest::Url>().ok().filter(|url| url.scheme() == "http" && url.has_host());
    url.ok_or_else(|| "an address such as http://127.0.0.1:8000 is needed".to_owned())
}

fn shown(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_to_their_range() {
        for (text, expect) in [("1", Some(1)), ("64", Some(64)), ("0", None), ("65", None), ("x", None), ("-1", None)] {
            assert_eq!(whole::<u16>(1, 64)(text).ok(), expect, "{text}");
        }
        assert!(whole::<u16>(0, u64::MAX)("70000").is_err());
        for text in ["-0.1", "nan", "inf", "", "1e7"] {
            assert!(factor(text).is_err(), "{text}");
        }
        assert_eq!(factor("0.1"), Ok(0.1));
    }

    #[test]
    fn a_refusal_does_not_repeat_an_address() {
        let refusal = redis_url("http://user:hunter2@host").unwrap_err();
        assert!(!refusal.contains("hunter2"));
        assert!(redis_url("rediss://user:hunter2@host/2").is_ok());
    }

    #[test]
    fn a_collector_is_an_address_without_credentials() {
        for (text, fits) in [
            ("http://127.0.0.1:4318", true),
            ("http://collector/otlp/", true),
            ("http://user:hunter2@collector:4318", false),
            ("http://collector:4318?key=hunter2", false),
            ("https://collector:4318", false),
            ("collector:4318", false),
            ("hunter2", false),
        ] {
            let read = collector_url(text);
            assert_eq!(read.is_ok(), fits, "{text}");
            assert!(read.err().is_none_or(|why| !why.contains("hunter2")));
        }
        assert_eq!((share("0"), share("0.25"), share("1.0")), (Ok(0.0), Ok(0.25), Ok(1.0)));
        assert!(["-0.1", "1.1", "nan", ""].iter().all(|text| share(text).is_err()));
    }

    #[test]
    fn hosts_are_names_or_addresses_without_a_port() {
        for (text, expect) in [
            ("redis", Some("redis")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("::1", Some("::1")),
            ("[::1]", Some("::1")),
            ("redis:6379", None),
            ("user@redis", None),
            ("", None),
        ] {
            assert_eq!(host(text).ok().as_deref(), expect, "{text}");
        }
    }
}
