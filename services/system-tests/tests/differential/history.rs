//! Random histories: who does something next, and what must have occurred by the end.

use crate::world::World;
use crate::{
    adopt, bury, cancel, collect_consumer, exhume, exorcise, expire, fold, hand_back, promote, reap, recount, relist,
    reopen, requeue, restore, retell, retry, settle, start, strangers, submit, undelay, workers,
};
use std::time::{Duration, Instant};

/// Steps after which a history ends and the next one starts from nothing.
const HISTORY_STEPS: u64 = 120;
/// Steps of a run, unless `STEPS` says otherwise.
const STEPS_DEFAULT: u64 = 600;
/// How many times longer a run may become while an answer has yet to occur.
const PATIENCE: u64 = 4;
/// What a run may take on a busy machine.
const RUN_LIMIT: Duration = Duration::from_secs(180);

/// Runs random histories in which every fourth step is `call`, until each of `answers` has occurred.
pub fn check(call: fn(&mut World), answers: &[&str]) {
    let setting = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = setting("SEED").unwrap_or_else(|| fastrand::u64(..));
    let steps = setting("STEPS").unwrap_or(STEPS_DEFAULT);
    let mut world = World::start(seed);
    let started = Instant::now();
    let missing = |world: &World| answers.iter().find(|answer| !world.tally.contains_key(**answer)).copied();
    let mut step = 0;
    while step < steps || (missing(&world).is_some() && step < PATIENCE * steps) {
        if step % HISTORY_STEPS == 0 {
            world.begin_history();
        }
        match world.random.u8(..4) {
            0 => call(&mut world),
            1 => supply(&mut world),
            _ => anything(&mut world),
        }
        assert!(started.elapsed() < RUN_LIMIT, "SEED={seed}: step {step} of {steps} after {RUN_LIMIT:?}");
        step += 1;
    }
    println!("SEED={seed}: {step} steps in {:?}: {:?}", started.elapsed(), world.tally);
    assert_eq!(missing(&world), None, "SEED={seed}: it never occurred: {:?}", world.tally);
}

/// One step of anyone.
fn anything(world: &mut World) {
    match world.random.u8(..47) {
        0..6 => submit::call(world),
        6..12 => workers::fetch(world),
        12 => start::call(world),
        13..18 => settle::call(world),
        18 | 19 => retry::call(world),
        20 => bury::call(world),
        21 | 22 => hand_back::call(world),
        23 | 24 => reap::call(world),
        25 | 26 => promote::call(world),
        27..32 => fold::call(world),
        32 => cancel::call(world),
        33 | 34 => requeue::call(world),
        35 => exhume::call(world),
        36 => collect_consumer::call(world),
        37 => expire::call(world),
        38 => recount::call(world),
        39 => workers::beat(world),
        40 | 41 => strangers::write_by_hand(world),
        42 => strangers::delete_by_hand(world),
        43..46 => mend(world),
        _ => strangers::forge_facts(world),
    }
    world.compare();
}

/// Someone breaks the books and has them mended.
fn mend(world: &mut World) {
    match world.random.u8(..7) {
        0 => restore::call(world),
        1 => retell::call(world),
        2 => relist::call(world),
        3 => adopt::call(world),
        4 => undelay::call(world),
        5 => reopen::call(world),
        _ => exorcise::call(world),
    }
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
