//! Where Redis is.

use super::parse;
use crate::exit::Failure;
use crate::up::lock;
use clap::Args;
use redis_store::{RedisConfig, Store, StoreError};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// The address of Redis.
#[derive(Debug, Clone, Args)]
pub struct RedisSettings {
    /// The address of Redis, with `rediss://` over TLS. Without it and REDIS_HOST, `up` starts a Redis of its own and
    /// everything else uses that one, or else 127.0.0.1.
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL", value_parser = parse::redis_url)]
    redis_url: Option<SecretString>,

    /// The host of Redis; REDIS_URL goes before it.
    #[arg(long, env = "REDIS_HOST", value_name = "HOST", value_parser = parse::host)]
    redis_host: Option<String>,

    /// The port of Redis beside REDIS_HOST; of a Redis that `up` starts, the port to take if it is free.
    #[arg(
        long, env = "REDIS_PORT",
        value_name = "PORT", default_value = "6379", value_parser = parse::whole::<u16>(1, 65_535)
    )]
    pub redis_port: u16,
}

impl RedisSettings {
    /// The address that the settings name, if they do.
    pub fn given(&self) -> Option<SecretString> {
        self.redis_url.clone().or_else(|| self.redis_host.as_deref().map(|host| plain_url(host, self.redis_port)))
    }

    /// The address in force: the one given, else the private one of an `up` that runs in this directory, else here.
    pub fn url(&self) -> SecretString {
        self.given().or_else(lock::private_redis).unwrap_or_else(|| plain_url("127.0.0.1", self.redis_port))
    }

    /// Starts connecting; must be called inside a runtime.
    pub fn connect(&self, patience: Duration) -> Result<Store, Failure> {
        connect(self.url(), patience)
    }
}

/// Starts connecting to `url`; must be called inside a runtime.
pub fn connect(url: SecretString, patience: Duration) -> Result<Store, Failure> {
    Store::connect(&RedisConfig { url, patience }).map_err(|error: StoreError| Failure::setting("REDIS_URL", error))
}

/// The address of database 0 without user and password.
pub fn plain_url(host: &str, port: u16) -> SecretString {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    SecretString::from(format!("redis://{host}:{port}/0"))
}

/// The address for people: without user, password and query.
pub fn masked(url: &SecretString) -> String {
    let text = url.expose_secret();
    let Some((scheme, rest)) = text.split_once("://") else { return "***".to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://***@{place}"),
        None if text.contains('@') => format!("{scheme}://***"),
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("redis://h:1/0", "redis://h:1/0"),
            ("rediss://user:hunter2@h:1/3", "rediss://***@h:1/3"),
            ("redis://:hun@ter2/@h/0", "redis://***@h/0"),
            ("redis://h/0?password=hunter2", "redis://h/0"),
            ("redis://u:hun?ter2@h/0", "redis://***"),
            ("hunter2", "***"),
        ] {
            assert_eq!(masked(&SecretString::from(url)), shown);
        }
    }

    #[test]
    fn an_ipv6_host_is_put_in_brackets() {
        assert_eq!(plain_url("::1", 7).expose_secret(), "redis://[::1]:7/0");
    }
}
