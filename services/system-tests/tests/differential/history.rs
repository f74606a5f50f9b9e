//! Random histories: who does something next, and what must have occurred by the end.

use crate::world::World;
use crate::{
    bury, collect_consumer, expire, fold, hand_back, reap, recount, settle, start, strangers, submit, workers,
};
use std::time::{Duration, Instant};

/// Steps after which a history ends and the next one starts from nothing.
const HISTORY_STEPS: u64 = 120;
/// Steps of a run, unless `STEPS` says otherwise.
const STEPS_DEFAULT: u64 = 600;
/// What a run may take on a busy machine.
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// Runs random histories in which every fourth step is `call`, and asserts that each of `answers` occurred.
pub fn check(call: fn(&mut World), answers: &[&str]) {
    let setting = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = setting("SEED").unwrap_or_else(|| fastrand::u64(..));
    let steps = setting("STEPS").unwrap_or(STEPS_DEFAULT);
    let mut world = World::start(seed);
    let started = Instant::now();
    for step in 0..steps {
        if step % HISTORY_STEPS == 0 {
            world.begin_history();
        }
        match world.random.u8(..4) {
            0 => call(&mut world),
            1 => supply(&mut world),
            _ => anything(&mut world),
        }
        assert!(started.elapsed() < RUN_LIMIT, "SEED={seed}: step {step} of {steps} after {RUN_LIMIT:?}");
    }
    println!("SEED={seed}: {steps} steps in {:?}: {:?}", started.elapsed(), world.tally);
    for answer in answers {
        assert!(world.tally.contains_key(*answer), "SEED={seed}: {answer:?} never occurred: {:?}", world.tally);
    }
}

/// One step of anyone.
fn anything(world: &mut World) {
    match world.random.u8(..32) {
        0..5 => submit::call(world),
        5..11 => workers::fetch(world),
        11..13 => start::call(world),
        13..17 => settle::call(world),
        17 => bury::call(world),
        18 => hand_back::call(world),
        19 | 20 => reap::call(world),
        21..25 => fold::call(world),
        25 => collect_consumer::call(world),
        26 => expire::call(world),
        27 => recount::call(world),
        28 => workers::beat(world),
        29 => strangers::write_by_hand(world),
        30 => strangers::delete_by_hand(world),
        _ => strangers::forge_facts(world),
    }
    world.compare();
}

/// Work comes in and is read.
fn supply(world: &mut World) {
    match world.random.u8(..3) {
        0 => submit::call(world),
        _ => strangers::write_by_hand(world),
    }
    workers::fetch(world);
    world.compare();
}
