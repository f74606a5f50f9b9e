//! Where a role without an API shows what it counts.

use super::parse;
use crate::exit::{Exit, Failure};
use clap::Args;
use std::io::{Error, ErrorKind};
use std::net::TcpListener;

/// Where `/metrics` of a worker or a projector is.
#[derive(Debug, Clone, Args)]
pub struct MetricsSettings {
    /// The address that `/metrics` of a worker or a projector listens on.
    #[arg(
        long, env = "METRICS_HOST",
        value_name = "HOST", default_value = "127.0.0.1", value_parser = parse::host
    )]
    pub metrics_host: String,

    /// The port of `/metrics` of a worker or a projector; 0 is none. Under `up` the projector has this port and the
    /// workers the next ones; the API shows its own at its own port.
    #[arg(
        long, env = "METRICS_PORT",
        value_name = "PORT", default_value = "0", value_parser = parse::whole::<u16>(0, 65_535)
    )]
    pub metrics_port: u16,
}

impl MetricsSettings {
    /// The ports of so many roles under `up`, in their order; all 0 if there are to be none.
    pub fn ports(&self, roles: usize) -> Result<Vec<u16>, Failure> {
        if self.metrics_port == 0 {
            return Ok(vec![0; roles]);
        }
        let ports: Vec<u16> = (self.metrics_port..=u16::MAX).take(roles).collect();
        let refusal = || Failure::setting("METRICS_PORT", format!("{roles} ports from it on do not exist"));
        if ports.len() == roles { Ok(ports) } else { Err(refusal()) }
    }

    /// Refuses ports of which one is taken, before anything is started on them.
    pub fn check_free(&self, ports: &[u16]) -> Result<(), Failure> {
        for port in ports.iter().filter(|port| **port > 0) {
            TcpListener::bind((self.metrics_host.as_str(), *port)).map_err(|error| self.refusal(*port, &error))?;
        }
        Ok(())
    }

    /// Why it cannot listen there, in one line that names the setting.
    pub fn refusal(&self, port: u16, error: &Error) -> Failure {
        let host = &self.metrics_host;
        match error.kind() {
            ErrorKind::AddrInUse | ErrorKind::PermissionDenied => {
                let why = format!("port {port} of {host} cannot be had: {error}; set METRICS_PORT to another");
                Failure::new(Exit::Unreachable, why)
            }
            _ => Failure::setting("METRICS_HOST", format!("cannot listen on {host}: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_the_next_port_or_none_has_one() {
        let ports = |metrics_port, roles| {
            let settings = MetricsSettings { metrics_host: "127.0.0.1".to_owned(), metrics_port };
            settings.ports(roles).map_err(|failure| failure.to_string())
        };
        assert_eq!(ports(9_000, 3), Ok(vec![9_000, 9_001, 9_002]));
        assert_eq!(ports(0, 3), Ok(vec![0, 0, 0]));
        assert_eq!(ports(65_534, 2), Ok(vec![65_534, 65_535]));
        assert!(ports(65_534, 3).is_err_and(|why| why.starts_with("METRICS_PORT: ")));
    }

    #[test]
    fn a_taken_port_is_named_with_its_setting() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let settings = MetricsSettings { metrics_host: "127.0.0.1".to_owned(), metrics_port: port };
        let message = settings.check_free(&[0, port]).unwrap_err().to_string();
        assert!(message.contains(&port.to_string()) && message.contains("METRICS_PORT"), "{message}");
        drop(taken);
        assert!(settings.check_free(&[0, port]).is_ok());
    }
}
