//! Projectors that are killed or frozen between reading facts and folding them.

use std::time::Duration;
use system_tests::body;
use system_tests::books::{Pending, fields};
use system_tests::eventually::{eventually, within};
use system_tests::monitor::Monitor;
use system_tests::process::{Process, Signal};
use system_tests::stack::{Plan, SOON, Stack};
use system_tests::storm::Storm;

const TASKS: usize = 40;
const SUBTASKS: usize = 20;
const KILLS: usize = 5;

#[test]
fn every_outcome_is_counted_once_however_often_the_projector_is_killed() {
    let mut stack = Plan::workers(1).start();
    let storm = Storm::start(&stack.client, 2, &body::simulated(SUBTASKS));
    let mut killed_with_unfolded_facts = 0;
    for _ in 0..KILLS {
        let victim = stack.projectors.pop().expect("a projector");
        freeze_while_it_holds(&stack, &victim);
        victim.kill();
        killed_with_unfolded_facts += usize::from(!unfolded_by(&stack, &victim).is_empty());
        stack.add_projector();
    }
    eventually(SOON, "there are tasks enough", || (storm.accepted() >= TASKS).then_some(()));
    let storm = storm.end();
    assert_eq!((storm.refused, storm.unanswered), (0, 0));
    assert_eq!(killed_with_unfolded_facts, KILLS, "a kill that interrupts nothing proves nothing");

    assert_eq!(stack.await_drained(Duration::from_secs(60)), storm.accepted.len() as i64);
    for id in &storm.accepted {
        let hash = stack.hash(&format!("task:{id}"));
        assert_eq!((&*hash["completed"], &*hash["status"]), ("20", "completed"), "{id}");
    }
    stack.audit();
}

#[test]
fn facts_that_a_frozen_projector_had_read_are_counted_once() {
    let mut stack = Plan::workers(1).start();
    let late = within(SOON, || fold_late(&mut stack).then_some(()));
    assert!(late.is_some(), "no frozen projector folded what another had folded already");
}

/// Freezes a projector that has read facts, lets another fold them, and wakes it. Says whether it then folded them once
/// more; what they changed is checked in any case.
fn fold_late(stack: &mut Stack) -> bool {
    let storm = Storm::start(&stack.client, 2, &body::simulated(SUBTASKS));
    let frozen = stack.projectors.pop().expect("a projector");
    let held = freeze_while_it_holds(stack, &frozen);
    let storm = storm.end();
    stack.add_projector();
    stack.await_drained(Duration::from_secs(60));
    let hashes = |stack: &Stack| storm.accepted.iter().map(|id| stack.hash(&format!("task:{id}"))).collect::<Vec<_>>();
    let before = hashes(stack);

    let other = stack.projectors.pop().expect("another projector");
    other.signal(Signal::TERM);
    other.wait_exit(SOON);
    let monitor = Monitor::start(&stack.redis);
    frozen.go_on();
    let id = stack.client.submit(&body::simulated(1));
    stack.await_status(&id, "completed"); // folded by the one that was frozen: what it had to say is behind it
    assert_eq!(hashes(stack), before);
    stack.audit();
    stack.projectors.push(frozen);
    let is_fold_of = |line: &str, pending: &Pending| line.contains("\"EVALSHA\"") && line.contains(&pending.entry_id);
    monitor.lines().iter().any(|line| held.iter().any(|pending| is_fold_of(line, pending)))
}

/// Freezes a projector at a moment when it has read facts and not yet folded them; answers what it holds.
fn freeze_while_it_holds(stack: &Stack, projector: &Process) -> Vec<Pending> {
    let caught = within(SOON, || {
        eventually(SOON, "the projector has read facts", || (!unfolded_by(stack, projector).is_empty()).then_some(()));
        projector.stop();
        // What it had sent by then is answered before this: one connection after the other.
        let held = unfolded_by(stack, projector);
        let still_held = !held.is_empty() && unfolded_by(stack, projector) == held;
        if !still_held {
            projector.go_on();
        }
        still_held.then_some(held)
    });
    caught.expect("the projector is caught with unfolded facts")
}

/// The entries with outcomes that a projector has read and not acknowledged.
fn unfolded_by(stack: &Stack, projector: &Process) -> Vec<Pending> {
    let is_its = |pending: &Pending| pending.consumer.starts_with(&format!("projector-{}-", projector.pid()));
    let has_outcomes = |pending: &Pending| {
        let id = &pending.entry_id;
        let entry = stack.redis.command(&["XRANGE", "events", id, id]);
        entry.items().iter().any(|entry| fields(&entry.items()[1])["facts"].contains(" completed "))
    };
    let pending = stack.pending_in("events", "projector").into_iter();
    pending.filter(|pending| is_its(pending) && has_outcomes(pending)).collect()
}
