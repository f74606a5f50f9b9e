//! The settings that hold for this process: for the line in its log, and for the processes it starts.

use super::list::{Setting, of_arg};
use super::redis::masked;
use clap::{ArgMatches, Command};
use secrecy::SecretString;
use std::ffi::{OsStr, OsString};

/// The settings of one sub-command with their values.
pub struct InForce {
    values: Vec<(Setting, OsString)>,
}

impl InForce {
    /// Reads them from what the command line and the environment gave to the sub-command in `matches`.
    pub fn of(command: &Command, matches: &ArgMatches) -> Self {
        let Some((name, matches)) = matches.subcommand() else { return Self { values: Vec::new() } };
        let args = command.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
        let values = args.filter_map(|arg| {
            let raw: Vec<&OsStr> = matches.get_raw(arg.get_id().as_str())?.collect();
            Some((of_arg(arg)?, raw.join(OsStr::new(","))))
        });
        Self { values: values.collect() }
    }

    /// Name and value of each, as a process started from here must find them in its environment.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.values.iter().map(|(setting, value)| (setting.name.as_str(), value.as_os_str()))
    }
}

/// `NAME=value` of each, secrets masked.
impl std::fmt::Display for InForce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (setting, value)) in self.values.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{}={}", setting.name, shown(setting, &value.to_string_lossy()))?;
        }
        Ok(())
    }
}

/// A value for people: of a secret nothing, unless it is an address.
fn shown(setting: &Setting, value: &str) -> String {
    match (setting.secret, &*setting.unit) {
        (false, _) => value.to_owned(),
        (true, "url") => masked(&SecretString::from(value)),
        (true, _) => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cli;
    use crate::exit::{self, Exit};
    use crate::settings::read;
    use clap::CommandFactory;

    fn in_force(args: &[&str]) -> anyhow::Result<InForce> {
        let args = args.iter().map(OsString::from);
        let matches = read(Cli::command(), args)?.map_err(anyhow::Error::msg)?;
        Ok(InForce::of(&Cli::command(), &matches))
    }

    #[test]
    fn values_are_shown_without_secrets_and_handed_on_with_them() {
        let url = "redis://user:hunter2@h:1/0";
        let args = ["millstream", "worker", "--redis-url", url, "--worker-kinds", "a,b", "--lease-ms", "1000"];
        let in_force = in_force(&args).unwrap();
        let shown = in_force.to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("REDIS_URL=redis://***@h:1/0 ") && shown.contains("LEASE_MS=1000"), "{shown}");
        let environment: Vec<_> = in_force.environment().collect();
        assert!(environment.contains(&("REDIS_URL", OsStr::new(url))));
        assert!(environment.contains(&("WORKER_KINDS", OsStr::new("a,b"))));
    }

    #[test]
    fn a_secret_that_looks_like_an_address_is_not_shown_as_one() {
        let secret = "corp://hunter2-hunter2-hunter2-hunter2-hunter2";
        let shown =
            in_force(&["millstream", "orchestrator", "--auth", "jwt", "--jwt-secret", secret]).unwrap().to_string();
        assert!(shown.contains("JWT_SECRET=***") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_bad_value_is_refused_by_name_without_the_value() {
        for (flag, value, name) in [
            ("--redis-url", "hunter2", "REDIS_URL"),
            ("--lease-ms", "soon", "LEASE_MS"),
            ("--log-format", "xml", "LOG_FORMAT"),
            ("--worker-kinds", "a,b c", "WORKER_KINDS"),
            ("--log-level", "loud", "LOG_LEVEL"),
        ] {
            let error = in_force(&["millstream", "worker", flag, value]).err().unwrap();
            assert_eq!(exit::of(&error), Exit::Usage);
            let message = error.to_string();
            assert!(message.starts_with(&format!("{name}: ")) && !message.contains(value), "{message}");
        }
    }
}
