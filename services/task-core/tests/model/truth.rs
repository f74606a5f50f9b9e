//! What must hold in every state, and what must have happened in some.

use crate::race::{Event, Race};
use crate::state::{GENERATIONS, SUBTASKS, State, Word};
use stateright::Property;

pub fn properties() -> Vec<Property<Race>> {
    let mut properties = vec![
        Property::always("tokens are conserved", |_, state| tokens_are_conserved(state)),
        Property::always("an outcome is recorded exactly once", |_, state| is_recorded_once(state)),
        Property::always("whoever waits, waits for what has not ended", |_, state| waits_are_open(state)),
        Property::always("no step breaks anything", |_, state: &State| state.broken.is_none()),
    ];
    properties.push(Property::sometimes("a late zombie", |race: &Race, _: &State| race.has_seen(Event::LateZombie)));
    properties.push(Property::sometimes("a claim", |race: &Race, _: &State| race.has_seen(Event::Claim)));
    properties.push(Property::sometimes("a duplicate", |race: &Race, _: &State| race.has_seen(Event::Duplicate)));
    properties.push(Property::sometimes("a lost reply", |race: &Race, _: &State| race.has_seen(Event::LostReply)));
    properties.push(Property::sometimes("a burial", |race: &Race, _: &State| race.has_seen(Event::Burial)));
    properties.push(Property::sometimes("a dropped leftover", |race: &Race, _: &State| race.has_seen(Event::Dropped)));
    properties.push(Property::sometimes("a leftover that is not handed back", |race: &Race, _: &State| {
        race.has_seen(Event::NotHandedBack)
    }));
    properties.push(Property::sometimes("a cancel that overtakes an outcome", |_, state: &State| {
        state.log.iter().any(|told| {
            let kept = state.records[told.index as usize][told.generation as usize];
            !told.is_outside && kept == Some((Word::Cancelled, true))
        })
    }));
    properties.push(Property::sometimes("a replay that completes", |_, state: &State| {
        state.was_requeued
            && (0..SUBTASKS).all(|index| state.record(index).is_some_and(|(word, _)| word == Word::Completed))
    }));
    properties
}

/// Every place that has not ended has one token, every other at most one that a cancel overtook.
fn tokens_are_conserved(state: &State) -> bool {
    let blocked = state.blocked.iter().flatten().map(|blocked| blocked.it);
    let work = state.work.iter().map(|(_, it)| *it);
    let waiting = work.chain(state.delayed.iter().copied()).chain(blocked).map(|it| (it.index, it.generation));
    let told = state.log.iter().filter(|told| !told.is_outside).map(|told| (told.index, told.generation));
    let mut held = [[0_u8; GENERATIONS as usize]; SUBTASKS as usize];
    for (index, generation) in waiting.chain(told) {
        held[index as usize][generation as usize] += 1;
    }
    (0..SUBTASKS as usize).all(|index| {
        (0..GENERATIONS as usize).all(|generation| match state.records[index][generation] {
            None if generation == state.generations[index] as usize => held[index][generation] == 1,
            None => held[index][generation] == 0,
            // What was folded and is still in the log will be a duplicate.
            Some((_, true)) => held[index][generation] <= 1,
            Some(_) => work_of(state, index, generation) == 0,
        })
    })
}

/// Entries of a place that could still run.
fn work_of(state: &State, index: usize, generation: usize) -> usize {
    let blocked = state.blocked.iter().flatten().map(|blocked| blocked.it);
    let waiting = state.work.iter().map(|(_, it)| *it).chain(state.delayed.iter().copied()).chain(blocked);
    waiting.filter(|it| (it.index as usize, it.generation as usize) == (index, generation)).count()
}

/// An outcome that a worker reached stands only where one was told so, and where one was told so there is an outcome,
/// in the records or on its way to them.
fn is_recorded_once(state: &State) -> bool {
    (0..SUBTASKS).all(|index| {
        (0..GENERATIONS).all(|generation| {
            let was_told = state.answered >> (index * GENERATIONS + generation) & 1 == 1;
            let is_on_its_way =
                state.log.iter().any(|told| (told.index, told.generation) == (index, generation) && !told.is_outside);
            match state.records[index as usize][generation as usize] {
                Some((Word::Cancelled, _)) => true,
                Some(_) => was_told,
                None => was_told == is_on_its_way,
            }
        })
    })
}

fn waits_are_open(state: &State) -> bool {
    state
        .blocked
        .iter()
        .flatten()
        .all(|blocked| !blocked.waits.is_empty() && blocked.waits.iter().all(|parent| state.record(*parent).is_none()))
}
