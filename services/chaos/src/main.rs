//! Breaks a running Millstream on purpose and checks its books against ledgers that do not depend on Redis.
//!
//! `chaos run` is the conductor; `chaos worker` and `chaos sink` are processes that it starts beside the real
//! `millstream`. Everything is drawn from one seed, so a run can be had again, as far as the machine lets it.
//!
//! In reading order: [`run`] the phases; [`installation`] what is broken, with [`member`], [`disk`], [`proxy`],
//! [`shim`], [`guard`] and [`probe`]; [`crew`] who works beside it; [`workload`] what it is given to do, with
//! [`handler`], [`workhand`] and [`sink`]; [`fault`] how it is broken, and [`stall`] what breaks by itself; [`ledger`]
//! what is known of it all, with [`scribe`] that copies the log; [`drain`] and [`snapshot`] how it ends; [`books`],
//! [`law`], [`verdict`], [`report`] what it is worth.
//!
//! Invariants. No ledger is read from Redis. Every process runs in a group that ends with this one, and is only
//! ever signalled by its pid. All traffic stays on 127.0.0.1. Every loop is bounded in time.

mod books;
mod clock;
mod crew;
mod disk;
mod drain;
mod error;
mod fault;
mod guard;
mod handler;
mod installation;
mod law;
mod ledger;
mod member;
mod options;
mod probe;
mod proxy;
mod report;
mod run;
mod scribe;
mod shim;
mod sink;
mod snapshot;
mod stall;
mod verdict;
mod workhand;
mod workload;

use error::ChaosError;
use options::Options;
use std::error::Error;
use std::process::ExitCode;
use verdict::Colour;

const USAGE: &str = "chaos run [--seed N] [--duration SECONDS] [--profile always|everysec|flushall|diskfull] \
                     [--rate SUBTASKS_A_SECOND] [--millstream PATH] [--folder PATH] [--keep true]";

/// 0 green, 1 red, 2 void, 3 if the harness could not run.
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ended = match words.split_first() {
        Some((verb, rest)) if verb == "run" => conduct(rest),
        Some((verb, rest)) if verb == "worker" => workhand::serve(rest).map(|()| ExitCode::SUCCESS),
        Some((verb, _)) if verb == "sink" => sink::serve().map(|()| ExitCode::SUCCESS),
        _ => Err(ChaosError::Usage(USAGE.to_owned())),
    };
    ended.unwrap_or_else(|error| {
        eprint!("chaos: {error}");
        let mut cause = error.source();
        while let Some(source) = cause {
            eprint!(": {source}");
            cause = source.source();
        }
        eprintln!();
        ExitCode::from(3)
    })
}

fn conduct(words: &[String]) -> Result<ExitCode, ChaosError> {
    let options = Options::read(words)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(error::io("starting threads"))?;
    let colour = runtime.block_on(run::run(&options));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(ExitCode::from(match colour? {
        Colour::Green => 0,
        Colour::Red => 1,
        Colour::Void => 2,
    }))
}
