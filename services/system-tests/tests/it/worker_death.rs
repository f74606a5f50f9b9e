//! Workers that are killed or frozen in the middle of a subtask.

use proto_schemas::limit::CRASHES_MAX;
use serde_json::json;
use std::time::Duration;
use system_tests::body;
use system_tests::books::Fact;
use system_tests::eventually::eventually;
use system_tests::process::Process;
use system_tests::stack::{Plan, SOON, Stack};

/// Longer than in other tests, so that a machine that holds up a living worker is not taken for its death.
const LEASE: Duration = Duration::from_secs(3);

#[test]
fn another_worker_finishes_what_a_killed_one_was_running() {
    let stack = Plan::workers(2).set("LEASE_MS", LEASE.as_millis()).start();
    let id = stack.client.submit(&body::lasting(1, 1.5));
    let victim = await_running(&stack, &id);
    let entry_id = stack.held_by(victim)[0].entry_id.clone();
    victim.kill();
    let killed_at = stack.now_ms();
    let held = stack.held_by(victim);
    assert_eq!(held.iter().map(|pending| &pending.entry_id).collect::<Vec<_>>(), [&entry_id], "the dead one holds it");

    let done = stack.await_status(&id, "completed");
    let subtask = &done["subtasks"][0];
    assert_eq!((subtask["crashes"].as_u64(), subtask["attempt"].as_u64()), (Some(1), Some(1)), "{done:#}");
    let facts = stack.facts(&id);
    let of = |word: &str| facts.iter().filter(|fact| fact.fact == word).collect::<Vec<&Fact>>();
    let (started, crashed, completed) = (of("started"), of("crashed"), of("completed"));
    assert_eq!((started.len(), crashed.len(), completed.len()), (2, 1, 1), "{facts:#?}");
    assert!(started[0].worker.contains(&format!("-{}-", victim.pid())));
    assert_eq!(started[1].worker, completed[0].worker);
    assert_ne!(started[0].worker, started[1].worker);
    let back_after = Duration::from_millis(crashed[0].at_ms.saturating_sub(killed_at));
    // A lease and a round of the reaper; half a second more for a loaded machine.
    assert!(back_after <= LEASE + Duration::from_millis(1_500), "{back_after:?}");
    assert!(stack.result(&format!("{id}-0")).contains("\"completed\""));
    assert!(stack.pending().is_empty());
    stack.audit();
}

#[test]
fn a_worker_frozen_for_two_leases_changes_nothing_when_it_wakes() {
    let stack = Plan::workers(2).set("LEASE_MS", LEASE.as_millis()).start();
    let id = stack.client.submit(&body::lasting(1, 1.5));
    let zombie = await_running(&stack, &id);
    let frozen_at = stack.now_ms();
    zombie.stop();
    assert_eq!(stack.held_by(zombie).len(), 1);
    let done = stack.await_status(&id, "completed");
    eventually(SOON, "two leases are over", || {
        (stack.now_ms() > frozen_at + 2 * LEASE.as_millis() as u64).then_some(())
    });
    let before = (stack.result(&format!("{id}-0")), stack.hash(&format!("task:{id}")), stack.facts(&id));

    zombie.go_on();
    eventually(SOON, "it finds out that it is late", || {
        ["stale: another attempt", "lost leases", "giving up before"].iter().find_map(|text| zombie.log().find(text))
    });
    let other = stack.workers.iter().find(|worker| worker.pid() != zombie.pid()).expect("two workers");
    other.kill();
    let next = stack.client.submit(&body::simulated(8));
    stack.await_status(&next, "completed"); // the zombie is a worker again, and what it had to say is behind it
    let after = (stack.result(&format!("{id}-0")), stack.hash(&format!("task:{id}")), stack.facts(&id));
    assert_eq!(after, before);
    assert_eq!(stack.client.task(&id), done);
    assert_eq!(stack.fact_count(&id, "completed"), 1);
    stack.audit();
}

#[test]
fn what_three_workers_die_with_is_buried_with_the_reason_and_its_task_fails() {
    let mut stack = Plan::workers(1).set("LEASE_MS", LEASE.as_millis()).start();
    let id = stack.client.submit(&body::lasting(1, 60.0));
    for run in 1..=CRASHES_MAX as usize {
        eventually(SOON, "it runs once more", || (stack.fact_count(&id, "started") == run).then_some(()));
        await_running(&stack, &id).kill();
        stack.add_worker(); // somebody has to find it
    }
    let failed = stack.await_status(&id, "failed");
    let subtask = &failed["subtasks"][0];
    assert_eq!((subtask["crashes"].as_u64(), subtask["attempt"].as_u64()), (Some(CRASHES_MAX.into()), Some(1)));
    assert_eq!((stack.fact_count(&id, "started"), stack.fact_count(&id, "failed")), (CRASHES_MAX as usize, 1));
    let letters = stack.client.get("/dead-letters").json();
    let letters = letters["dead_letters"].as_array().expect("a list of letters");
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!((&letters[0]["task_id"], &letters[0]["reason"]), (&json!(id), &json!("crashes")));
    stack.audit();
}

/// Waits until someone has said that it runs the one subtask of a task; answers who holds it.
fn await_running<'a>(stack: &'a Stack, id: &str) -> &'a Process {
    eventually(SOON, "the subtask runs", || (stack.fact_count(id, "started") > 0).then_some(()));
    let holder = stack.workers.iter().find(|worker| !stack.held_by(worker).is_empty());
    holder.expect("someone holds what it runs")
}
