//! `millstream redis-cli`: a look into Redis, also where no redis-cli is installed.

mod address;
mod display;

use crate::exit::{Exit, Failure};
use crate::print;
use crate::private_redis::on_path;
use crate::resp::{Connection, Reply};
use crate::settings::{RedisSettings, masked};
use address::Address;
use anyhow::Context;
use clap::Args;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PROGRAM: &str = "redis-cli";
const TIMEOUT: Duration = Duration::from_secs(5);

/// Run redis-cli against the Redis of this installation
#[derive(Debug, Args)]
pub struct RedisCli {
    #[command(flatten)]
    redis: RedisSettings,
    /// The command, as for redis-cli
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

impl RedisCli {
    /// Becomes redis-cli, or does its work for one command.
    pub fn run(self) -> anyhow::Result<Exit> {
        let address = Address::of(&self.redis.url())?;
        if on_path(Path::new(PROGRAM)).is_some() {
            // The password stays out of the list of processes.
            let mut command = Command::new(PROGRAM);
            command.args(address.flags()).args(&self.args);
            command.envs(address.password.iter().map(|password| ("REDISCLI_AUTH", password)));
            return Err(command.exec()).context("starting redis-cli");
        }
        self.ask(&address)
    }

    fn ask(&self, address: &Address) -> anyhow::Result<Exit> {
        let needs = |what: &str| Failure::new(Exit::Usage, format!("{what} needs redis-cli, which is not on the PATH"));
        match self.args.first().map(|first| first.as_bytes()) {
            None => return Err(needs("a session without a command").into()),
            Some([b'-', ..]) => return Err(needs("an option").into()),
            Some(_) if address.tls => return Err(needs("a connection over TLS").into()),
            Some(_) => {}
        }
        let connected = Connection::open(&address.host, address.port, TIMEOUT);
        let away =
            || Failure::new(Exit::Unreachable, format!("redis at {} does not answer", masked(&self.redis.url())));
        let mut connection = connected.map_err(|_| away())?;
        for command in address.greeting() {
            if let Reply::Error(text) = connection.command(&command)? {
                return Err(Failure::new(Exit::Unreachable, text).into());
            }
        }
        connection.wait_for_ever()?;
        let args: Vec<&[u8]> = self.args.iter().map(|arg| arg.as_bytes()).collect();
        let reply = connection.command(&args)?;
        print::raw(&if print::is_terminal() { display::people(&reply) } else { display::programs(&reply) });
        Ok(if matches!(reply, Reply::Error(_)) { Exit::Failed } else { Exit::Ok })
    }
}
