//! Where the API listens and what it accepts.

use super::{GuardSettings, parse};
use crate::exit::{Exit, Failure};
use clap::{ArgAction, Args, builder::BoolishValueParser};
use orchestrator::Hosts;
use orchestrator::replicas::ReplicaOrder;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

/// Where the API listens.
#[derive(Debug, Clone, Args)]
pub struct ListenSettings {
    /// The address that the API listens on; another one than loopback needs AUTH or ALLOW_ANONYMOUS.
    #[arg(
        long, env = "ORCHESTRATOR_HOST",
        value_name = "HOST", default_value = "127.0.0.1", value_parser = parse::host
    )]
    pub orchestrator_host: String,

    /// The port that the API listens on.
    #[arg(
        long, env = "ORCHESTRATOR_PORT",
        value_name = "PORT", default_value = "8000", value_parser = parse::whole::<u16>(1, 65_535)
    )]
    pub orchestrator_port: u16,
}

/// What the API accepts.
#[derive(Debug, Clone, Args)]
pub struct OrchestratorSettings {
    /// Whether the API may listen where strangers reach it, or be asked under other names than localhost, although it
    /// asks nobody who they are.
    #[arg(
        long, env = "ALLOW_ANONYMOUS",
        value_name = "BOOLEAN", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new()
    )]
    allow_anonymous: bool,

    /// A file of planning rules that replaces the built-in ones.
    #[arg(long, env = "PLAN_RULES", value_name = "PATH")]
    pub plan_rules: Option<PathBuf>,

    /// The backlog of one queue, all priorities together, beyond which the API answers 429.
    #[arg(
        long, env = "BACKLOG_MAX",
        value_name = "SUBTASKS", default_value = "1000000", value_parser = parse::whole::<u64>(1, 1_000_000_000)
    )]
    pub backlog_max: u64,

    /// The connections that the API serves at a time; one more is answered 503.
    #[arg(
        long, env = "CONNECTIONS_MAX",
        value_name = "CONNECTIONS", default_value = "2048", value_parser = parse::whole::<u32>(1, 1_000_000)
    )]
    pub connections_max: u32,

    /// How many event streams and waiting requests the API serves at a time; one more is answered 429.
    #[arg(
        long, env = "SSE_MAX",
        value_name = "STREAMS", default_value = "2000", value_parser = parse::whole::<u32>(1, 100_000)
    )]
    pub sse_max: u32,

    /// How many replicas of Redis must have a submission before the API accepts it; 0 waits for none.
    #[arg(
        long, env = "WAIT_REPLICAS",
        value_name = "REPLICAS", default_value = "0", value_parser = parse::whole::<u32>(0, 16)
    )]
    pub wait_replicas: u32,

    /// How long replicas may take beside WAIT_REPLICAS.
    #[arg(
        long = "wait-timeout-ms", env = "WAIT_TIMEOUT_MS",
        value_name = "MS", default_value = "1000", value_parser = parse::millis(1, 60_000)
    )]
    pub wait_timeout: Duration,
}

impl OrchestratorSettings {
    /// The names under which the API may be asked: those that are listed; else, if the API is for this machine alone,
    /// since nobody is asked who they are and strangers are not allowed, its own.
    pub fn hosts(&self, guard: &GuardSettings) -> Hosts {
        match guard.allowed_hosts.as_slice() {
            [] if self.allow_anonymous || guard.asks() => Hosts::Any,
            [] => Hosts::Own,
            names => Hosts::Named(names.to_vec()),
        }
    }

    /// Which replicas are waited for, if any.
    pub fn replicas(&self) -> Option<ReplicaOrder> {
        (self.wait_replicas > 0).then_some(ReplicaOrder { count: self.wait_replicas, limit: self.wait_timeout })
    }
}

impl ListenSettings {
    /// Refuses an address that strangers reach, unless they are asked who they are or `settings` allow it.
    pub fn check_anonymous(&self, settings: &OrchestratorSettings, guard: &GuardSettings) -> Result<(), Failure> {
        let host = &self.orchestrator_host;
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if loopback || settings.allow_anonymous || guard.asks() {
            return Ok(());
        }
        let why =
            "another address than loopback needs AUTH, or ALLOW_ANONYMOUS=true while the API asks nobody who they are";
        Err(Failure::setting("ORCHESTRATOR_HOST", why))
    }

    /// Refuses a port that is taken and a host that is not here, in one line that names the setting.
    pub fn check_free(&self) -> Result<(), Failure> {
        let (host, port) = (&self.orchestrator_host, self.orchestrator_port);
        let Err(error) = TcpListener::bind((host.as_str(), port)) else { return Ok(()) };
        Err(match error.kind() {
            ErrorKind::AddrInUse => {
                let why = format!("port {port} of {host} is taken; set ORCHESTRATOR_PORT to another one");
                Failure::new(Exit::Unreachable, why)
            }
            ErrorKind::PermissionDenied => {
                let why =
                    format!("port {port} of {host} is not ours to use: {error}; set ORCHESTRATOR_PORT to another");
                Failure::new(Exit::Unreachable, why)
            }
            _ => Failure::setting("ORCHESTRATOR_HOST", format!("cannot listen on {host}: {error}")),
        })
    }

    /// Where a client on this host reaches it.
    pub fn local_url(&self) -> String {
        let host = match self.orchestrator_host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.orchestrator_host.clone(),
        };
        format!("http://{host}:{}", self.orchestrator_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(host: &str, port: u16) -> ListenSettings {
        ListenSettings { orchestrator_host: host.to_owned(), orchestrator_port: port }
    }

    fn with(allow_anonymous: bool) -> OrchestratorSettings {
        OrchestratorSettings {
            allow_anonymous,
            plan_rules: None,
            backlog_max: 1,
            connections_max: 1,
            sse_max: 1,
            wait_replicas: 0,
            wait_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn names_that_are_listed_hold_whoever_may_ask() {
        let (nobody, mut listed, one) = (GuardSettings::default(), GuardSettings::default(), "api.example".to_owned());
        listed.allowed_hosts = vec![one.clone()];
        assert_eq!((with(false).hosts(&nobody), with(true).hosts(&nobody)), (Hosts::Own, Hosts::Any));
        for allow_anonymous in [false, true] {
            assert_eq!(with(allow_anonymous).hosts(&listed), Hosts::Named(vec![one.clone()]));
        }
    }

    #[test]
    fn strangers_need_to_be_allowed() {
        for (host, allowed) in [("127.0.0.1", true), ("127.1.2.3", true), ("::1", true), ("localhost", true)]
            .into_iter()
            .chain([("0.0.0.0", false), ("::", false), ("10.0.0.1", false), ("example.org", false)])
        {
            assert_eq!(
                listen(host, 1).check_anonymous(&with(false), &GuardSettings::default()).is_ok(),
                allowed,
                "{host}"
            );
            assert!(listen(host, 1).check_anonymous(&with(true), &GuardSettings::default()).is_ok());
        }
    }

    #[test]
    fn a_taken_port_is_named_with_its_setting() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let message = listen("127.0.0.1", port).check_free().unwrap_err().to_string();
        assert!(message.contains(&port.to_string()) && message.contains("ORCHESTRATOR_PORT"), "{message}");
        drop(taken);
        assert!(listen("127.0.0.1", port).check_free().is_ok());
    }

    #[test]
    fn an_address_for_all_is_reached_at_loopback() {
        for (host, url) in [("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://[::1]:1"), ("h", "http://h:1")] {
            assert_eq!(listen(host, 1).local_url(), url);
        }
    }
}
