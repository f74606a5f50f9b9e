//! The laws under a model checker: two workers, a plan of three subtasks, and everything that may go wrong between
//! them, in every order. Every transition is a law of `task_core::law` on real books; only time and ids are abstract:
//! any lease may run out, anything that waits for its time may be due, any fact may be folded next.
//!
//! In reading order: [`state`] what a state is; [`stage`] how it becomes books and is read back; [`race`] what may
//! happen next, [`step`] what then does; [`truth`] what must always hold, and what must have happened for the search to
//! mean anything.

#![allow(clippy::unwrap_used)]

mod race;
mod stage;
mod state;
mod step;
mod truth;

use race::Race;
use stateright::{Checker, HasDiscoveries, Model};
use std::time::Instant;

/// Fewer states would mean that something which may go wrong was left out.
const STATES_MIN: usize = 1_000_000;

#[test]
fn no_order_of_events_breaks_the_laws() {
    let started = Instant::now();
    // Nothing bounds the search: unless a law is broken, it ends when there is no new state.
    let checker = Race::default().checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{} states, {} distinct, depth {}, {:.0} s; witnessed: {:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        started.elapsed().as_secs_f64(),
        checker.model().witnesses(),
    );
    checker.assert_properties();
    assert!(checker.is_done());
    assert!(checker.unique_state_count() >= STATES_MIN);
}
