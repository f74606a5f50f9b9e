//! Projectors that are killed or frozen between reading facts and folding them.

use std::time::Duration;
use system_tests::body;
use system_tests::books::Pending;
use system_tests::eventually::{eventually, within};
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
    let storm = Storm::start(&stack.client, 2, &body::simulated(SUBTASKS));
    freeze_while_it_holds(&stack, &stack.projectors[0]);
    let storm = storm.end();
    stack.add_projector();
    stack.await_drained(Duration::from_secs(60));
    let hashes = |stack: &Stack| storm.accepted.iter().map(|id| stack.hash(&format!("task:{id}"))).collect::<Vec<_>>();
    let before = hashes(&stack);

    stack.projectors[0].go_on();
    stack.projectors[1].signal(Signal::TERM);
    stack.projectors[1].wait_exit(SOON);
    let id = stack.client.submit(&body::simulated(1));
    stack.await_status(&id, "completed"); // folded by the one that was frozen: what it had to say is behind it
    assert_eq!(hashes(&stack), before);
    stack.audit();
}

/// Freezes a projector at a moment when it has read facts and not yet folded them.
fn freeze_while_it_holds(stack: &Stack, projector: &Process) {
    let caught = within(SOON, || {
        eventually(SOON, "the projector has read facts", || (!unfolded_by(stack, projector).is_empty()).then_some(()));
        projector.stop();
        // What it had sent by then is answered before this: one connection after the other.
        let held = unfolded_by(stack, projector);
        let still_held = !held.is_empty() && unfolded_by(stack, projector) == held;
        if !still_held {
            projector.go_on();
        }
        still_held.then_some(())
    });
    caught.expect("the projector is caught with unfolded facts");
}

fn unfolded_by(stack: &Stack, projector: &Process) -> Vec<Pending> {
    let pending = stack.pending_in("events", "projector").into_iter();
    pending
        .filter(|pending| pending.consumer.split(['-', '.', ':']).any(|part| part == projector.pid().to_string()))
        .collect()
}
