//! Every setting: a flag, an environment variable and a key of `.env` in the working directory, all of one name.
//!
//! A flag goes before the environment, the environment before `.env`, `.env` before the default; an empty variable
//! counts as absent. A value that cannot be used ends the start with the variable's name and never with the value.
//! Groups of settings are structs that sub-commands flatten; [`list`] reads the table of all of them from there.

mod client;
mod egress;
mod guard;
pub mod in_force;
pub mod list;
mod log;
mod metrics;
mod orchestrator;
mod parse;
pub mod print;
mod process;
mod projector;
mod redis;
mod trace;
mod up;
mod worker;

pub use client::ClientSettings;
pub use egress::EgressSettings;
pub use guard::GuardSettings;
pub use in_force::InForce;
pub use log::LogSettings;
pub use metrics::MetricsSettings;
pub use orchestrator::{ListenSettings, OrchestratorSettings};
pub use process::{HealthSettings, StopSettings};
pub use projector::{LifeSettings, ProjectorSettings};
pub use redis::{RedisSettings, connect, masked, plain_url};
pub use trace::TraceSettings;
pub use up::{FleetSettings, ServerSettings};
pub use worker::WorkerSettings;

use crate::exit::{Exit, Failure};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command};
use std::error::Error;
use std::ffi::OsString;

const ENV_FILE: &str = ".env";

/// Adds the keys of `.env` to the environment, where it does not have them. Must run before any thread is started.
pub fn load_env_file() -> Result<(), Failure> {
    match dotenvy::from_path(ENV_FILE) {
        Ok(()) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(dotenvy::Error::LineParse(part, _)) => {
            // The line itself may hold a secret, so it is told by its number.
            let text = std::fs::read_to_string(ENV_FILE).unwrap_or_default();
            let at = text.lines().position(|line| line.contains(part.trim())).map_or(1, |at| at + 1);
            let why = format!("line {at} is not NAME=value; a value with spaces needs quotes");
            Err(Failure::setting(ENV_FILE, why))
        }
        Err(error) => Err(Failure::setting(ENV_FILE, format!("cannot be read: {error}"))),
    }
}

/// Reads the command line and the environment; help and version come back as a text to print.
pub fn read(command: Command, args: impl IntoIterator<Item = OsString>) -> Result<Result<ArgMatches, String>, Failure> {
    let command = without_empty_variables(command);
    let names = command.clone();
    command.try_get_matches_from(args).map(Ok).or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Err(error.render().to_string())),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Failure::new(Exit::Usage, format!("a sub-command is needed\n\n{}", error.render())))
        }
        _ => Err(refusal(&names, &error)),
    })
}

fn without_empty_variables(command: Command) -> Command {
    let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg })
        .mut_subcommands(without_empty_variables)
}

fn refusal(command: &Command, error: &clap::Error) -> Failure {
    let wrong_value = matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue);
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) if wrong_value => {
            arg.split(' ').next().unwrap_or_default().trim_matches(['[', ']', '<', '>'])
        }
        _ => return Failure::new(Exit::Usage, error.to_string().trim_start_matches("error: ").trim_end().to_owned()),
    };
    let words = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(words)) if !words.is_empty() => {
            Some(format!("one of {} is needed", words.join(", ")))
        }
        _ => None,
    };
    let cause = || error.source().map_or_else(|| "the value cannot be used".to_owned(), ToString::to_string);
    let setting = list::list(command).into_iter().find(|setting| setting.flag == flag);
    Failure::setting(setting.as_ref().map_or(flag, |setting| &setting.name), words.unwrap_or_else(cause))
}
