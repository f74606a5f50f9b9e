//! Millstream in one binary: every role, the whole system on one machine, and the command line client.
//!
//! This file parses and wires. Each sub-command is a file of its name: a struct of its arguments with one `run` that
//! answers how the program ends. The roles (`up`, `orchestrator`, `worker`, `projector`) and the operators' commands
//! (`audit`, `rebuild`, `keys`, `redis-cli`, `bench`) know Redis; the client commands (`submit`, `watch`, `get`,
//! `cancel`, `replay`, `dead-letters`) speak only HTTP. Absent on purpose: a configuration file beside `.env`, unsafe
//! code, a daemon mode.

mod audit;
mod bench;
mod cancel;
mod client;
mod dead_letters;
mod deliverer;
mod exit;
mod exposition;
mod files;
mod get;
mod health;
mod healthcheck;
mod keys;
mod note;
mod openapi;
mod operate;
mod orchestrator;
mod parent;
mod print;
mod private_redis;
mod process;
mod projector;
mod rebuild;
mod redis_cli;
mod replay;
mod resp;
mod role;
mod settings;
mod signals;
mod submit;
mod up;
mod watch;
mod worker;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use exit::Exit;
use settings::InForce;
use std::process::ExitCode;

/// With the system's allocator a fifth of a worker's time went into small pieces of memory, and more into giving them
/// back. It asks for no huge pages (`no_thp`): with them an idle process took three times the memory and was no faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A task orchestrator on Redis Streams
#[derive(Debug, Parser)]
#[command(version, max_term_width = 120, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Orchestrator(orchestrator::Orchestrator),
    Worker(worker::Worker),
    Projector(projector::Projector),
    Healthcheck(healthcheck::Healthcheck),
    Submit(submit::Submit),
    Watch(watch::Watch),
    Get(get::Get),
    Cancel(cancel::Cancel),
    Replay(replay::Replay),
    DeadLetters(dead_letters::DeadLetters),
    Keys(keys::Keys),
    RedisCli(redis_cli::RedisCli),
    Audit(audit::Audit),
    Rebuild(rebuild::Rebuild),
    Bench(bench::Bench),
    Openapi(openapi::Openapi),
    Settings(settings::print::Settings),
    #[command(hide = true)]
    PrivateRedis(private_redis::PrivateRedis),
}

impl Command {
    fn run(self, in_force: InForce) -> anyhow::Result<Exit> {
        match self {
            Self::Up(command) => command.run(in_force),
            Self::Orchestrator(command) => command.run(in_force),
            Self::Worker(command) => command.run(in_force),
            Self::Projector(command) => command.run(in_force),
            Self::Healthcheck(command) => command.run(),
            Self::Submit(command) => command.run(),
            Self::Watch(command) => command.run(),
            Self::Get(command) => command.run(),
            Self::Cancel(command) => command.run(),
            Self::Replay(command) => command.run(),
            Self::DeadLetters(command) => command.run(),
            Self::Keys(command) => command.run(),
            Self::RedisCli(command) => command.run(),
            Self::Audit(command) => command.run(),
            Self::Rebuild(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Openapi(command) => command.run(),
            Self::Settings(command) => command.run(),
            Self::PrivateRedis(command) => command.run(),
        }
    }
}

fn main() -> ExitCode {
    run()
        .unwrap_or_else(|error| {
            eprintln!("millstream: {error:#}");
            exit::of(&error)
        })
        .into()
}

fn run() -> anyhow::Result<Exit> {
    settings::load_env_file()?;
    let command = Cli::command();
    match settings::read(command.clone(), std::env::args_os())? {
        Ok(matches) => {
            let in_force = InForce::of(&command, &matches);
            Cli::from_arg_matches(&matches)?.command.run(in_force)
        }
        Err(text) => {
            print::raw(text.as_bytes());
            Ok(Exit::Ok)
        }
    }
}
