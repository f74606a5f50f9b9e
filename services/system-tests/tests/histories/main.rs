//! Random histories of the real scripts on a real Redis, judged by the audit and by a ledger of their own.
//!
//! A seeded world: clients, workers that die and workers that do not know they are dead, reapers, projectors, operators
//! and strangers, each acting on what it believes. Every call is sent once, or twice, or its answer is thrown away; the
//! ledger hears every answer. Every hundred steps the world stands still: the audit must find nothing, and no outcome
//! may be there that nobody was told to have recorded, or two, or another than before. At the end Redis is killed and
//! has to read back what it had, everything is driven to its end, and a rebuild may change nothing.
//!
//! In reading order: [`history`] who does something next; [`world`] what they share, [`sending`] how a call travels,
//! [`passing`] how time passes; [`client`] with its [`plan`]s, [`worker`]s and their [`ending`]s, [`maintenance`],
//! [`folder`], [`operator`], [`stranger`] who they are; [`ledger`] with its [`claim`]s and [`inspection`] what must
//! hold; [`reloading`], [`drain`] and [`rebuilding`] the end, with the [`snapshot`]s that they compare; [`settings`]
//! and [`tally`] what is asked and what has occurred.
//!
//! `HISTORIES_SEED`, `HISTORIES_STEPS` and `HISTORIES_COUNT` make other or longer runs.

#![allow(clippy::unwrap_used)]

mod history;

mod passing;
mod sending;
mod world;

mod client;
mod ending;
mod folder;
mod maintenance;
mod operator;
mod plan;
mod stranger;
mod worker;

mod claim;
mod inspection;
mod ledger;

mod reloading;
mod snapshot;

mod drain;
mod rebuilding;

mod settings;
mod tally;

use settings::Settings;
use std::panic::resume_unwind;
use std::sync::Mutex;
use tally::Tally;

/// Histories at once: each mostly waits for its Redis.
const LANES: usize = 4;
/// What must occur in the default run: a history in which nothing goes wrong proves nothing.
const OCCURS: &[&str] = &[
    "submit created",
    "submit existing",
    "submit conflict",
    "submit overloaded",
    "answer lost",
    "submit sent twice",
    "settle sent twice",
    "retry sent twice",
    "bury sent twice",
    "park sent twice",
    "hand_back sent twice",
    "fold sent twice",
    "reap sent twice",
    "promote sent twice",
    "collect_consumer sent twice",
    "cancel sent twice",
    "requeue sent twice",
    "exhume sent twice",
    "start sent twice",
    "fetch lost",
    "fetch recovered",
    "settle recorded",
    "settle dropped",
    "settle stale",
    "retry scheduled",
    "retry dropped",
    "retry stale",
    "bury buried",
    "bury dropped",
    "bury stale",
    "hand_back returned",
    "hand_back stale",
    "park parked",
    "park stale",
    "alone marked",
    "lease lost",
    "worker crashed",
    "recorded by the dead",
    "zombie acted",
    "zombie recorded",
    "zombie stale",
    "reap returned",
    "reap buried",
    "reap malformed",
    "reap skipped",
    "two reapers",
    "promote moved",
    "fold counted",
    "fold duplicate",
    "fold ignored",
    "folded late",
    "projector died",
    "facts claimed",
    "cancel cancelled",
    "cancel already",
    "cancel early",
    "cancel while held",
    "requeue requeued",
    "requeue gone",
    "letter requeued",
    "letter gone",
    "letter exhumed",
    "letter unfit",
    "letter discarded",
    "script flush",
    "rebuild",
    "snapshot read back",
    "rewritten log read back",
    "released",
    "outcome skipped",
    "outcome fail_fast",
    "outcome completed",
    "outcome failed",
    "consumer removed",
    "consumer busy",
];

#[test]
fn no_random_history_breaks_a_law_or_leaves_anything_behind() {
    let settings = Settings::read();
    let (seeds, tally) = (Mutex::new(settings.seeds()), Mutex::new(Tally::default()));
    let run_some = || {
        while let Some(seed) = { seeds.lock().unwrap().next() } {
            let seen = history::run(seed, settings.steps);
            tally.lock().unwrap().add(&seen);
        }
    };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(run_some)).collect();
        lanes.into_iter().for_each(|lane| lane.join().unwrap_or_else(|cause| resume_unwind(cause)));
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally}");
    if settings.steps * settings.count >= Settings::default().steps * Settings::default().count {
        let missing: Vec<&&str> = OCCURS.iter().filter(|word| tally.count(word) == 0).collect();
        assert!(missing.is_empty(), "HISTORIES_SEED={}: never occurred: {missing:?}\n{tally}", settings.seed);
    }
}
