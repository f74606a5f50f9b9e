//! The books: every law that a hand breaks is named, and what is recorded can be counted again.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use system_tests::body;
use system_tests::stack::{Plan, SOON, Stack};

const STREAM: &str = "subtasks:default:medium";

/// Breaks one law in the books of a task.
type Break = fn(&Stack, &str);

const OF_OPEN_TASKS: [(&str, Break); 5] = [
    ("token_missing", |stack, id| {
        stack.redis.command(&["XDEL", STREAM, &entry_of(stack, id)]);
    }),
    ("token_doubled", |stack, id| add_entry(stack, id)),
    ("orphan_entry", |stack, id| {
        let entry_id = entry_of(stack, id);
        deliver(stack, &entry_id);
        stack.redis.command(&["XCLAIM", STREAM, "workers", "doomed", "0", &entry_id]);
        stack.redis.command(&["XGROUP", "DELCONSUMER", STREAM, "workers", "doomed"]);
    }),
    ("record_unreadable", |stack, id| {
        stack.redis.command(&["HSET", &format!("outcomes:{id}"), "~0", "nonsense"]);
    }),
    ("task_unreadable", |stack, id| {
        stack.redis.command(&["HDEL", &format!("task:{id}"), "description"]);
    }),
];

const OF_ENDED_TASKS: [(&str, Break); 5] = [
    ("token_after_record", |stack, id| add_entry(stack, id)),
    ("counters_disagree", |stack, id| {
        stack.redis.command(&["HSET", &format!("task:{id}"), "completed", "0", "failed", "1", "status", "failed"]);
    }),
    ("sum_exceeds_total", |stack, id| {
        stack.redis.command(&["HINCRBY", &format!("task:{id}"), "completed", "1"]);
    }),
    ("status_disagrees", |stack, id| {
        stack.redis.command(&["HSET", &format!("task:{id}"), "status", "processing"]);
    }),
    ("index_disagrees", |stack, id| {
        stack.redis.command(&["ZREM", "tasks:completed", id]);
    }),
];

#[test]
fn the_audit_names_every_law_that_a_hand_breaks_and_whose_books_it_broke() {
    let stack = Plan::workers(1).start();
    let submit = |laws: &[(&'static str, Break)]| -> BTreeMap<&'static str, String> {
        laws.iter().map(|(law, _)| (*law, stack.client.submit(&body::simulated(1)))).collect()
    };
    let (mut tasks, sound) = (submit(&OF_ENDED_TASKS), stack.client.submit(&body::simulated(1)));
    stack.await_drained(SOON);
    stack.workers[0].kill(); // nobody mends what follows
    let open = stack.client.submit(&body::simulated(1));
    tasks.extend(submit(&OF_OPEN_TASKS));
    stack.audit();

    for (law, break_it) in OF_OPEN_TASKS.iter().chain(&OF_ENDED_TASKS) {
        break_it(&stack, &tasks[law]);
    }
    let ghost = stack.redis.command(&["XADD", STREAM, "*", "task_id", "GONE"]).text();
    deliver(&stack, &ghost);
    stack.redis.command(&["XDEL", STREAM, &ghost]);

    let finished = stack.run(&["audit", "--json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let report: Value = serde_json::from_str(&finished.out).expect("one JSON document");
    let violations = report["violations"].as_array().expect("violations");
    let laws_of = |id: &str| -> BTreeSet<&str> {
        let own = violations.iter().filter(|one| one["task_id"] == json!(id));
        own.map(|one| one["law"].as_str().expect("a law")).collect()
    };
    for (law, id) in &tasks {
        assert!(laws_of(id).contains(law), "{law} is not named for {id}: {:?}", laws_of(id));
    }
    assert!(violations.iter().any(|one| one["law"] == "ghost_pending"), "{report:#}");
    for id in [sound, open] {
        assert_eq!(laws_of(&id), [].into(), "the others are sound");
    }
    let for_people = stack.run(&["audit"]);
    assert_eq!(for_people.code, Some(1));
    assert!(tasks.keys().all(|law| for_people.out.contains(law)), "{}", for_people.out);
}

#[test]
fn what_a_hand_broke_is_repaired_and_everything_ends_as_if_nothing_had_happened() {
    let mut stack = Plan::workers(1).start();
    let ended = stack.client.submit(&body::simulated(2));
    stack.await_drained(SOON);
    stack.workers[0].kill(); // nobody mends what follows
    let chain = json!({ "description": "a chain", "subtasks": [
        { "name": "first", "description": "first" },
        { "name": "second", "description": "second", "depends_on": ["first"] },
    ] });
    let [missing, orphan, unplanned] =
        [&body::simulated(2), &body::simulated(1), &chain].map(|body| stack.client.submit(body));
    stack.redis.command(&["XDEL", STREAM, &entry_of(&stack, &missing)]);
    let orphan_id = entry_of(&stack, &orphan);
    deliver(&stack, &orphan_id);
    stack.redis.command(&["XGROUP", "DELCONSUMER", STREAM, "workers", "hand"]);
    stack.redis.command(&["HDEL", &format!("plan:{unplanned}"), "b:1", "w:1"]);
    stack.redis.command(&["HSET", &format!("task:{ended}"), "completed", "7", "status", "failed"]);
    stack.redis.command(&["ZREM", "lifetimes", &ended, &missing]);
    stack.redis.command(&["ZADD", "delayed", "99999999999999", "nobody-0"]);
    assert_eq!(stack.run(&["audit"]).code, Some(1));

    let repaired = stack.run(&["audit", "--repair", "--json"]);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    let report: Value = serde_json::from_str(&repaired.out).expect("one JSON document");
    assert_eq!(report["violations"], json!([]));
    let deeds: BTreeSet<&str> = report["repairs"]
        .as_array()
        .expect("repairs")
        .iter()
        .map(|one| one["deed"].as_str().expect("a deed"))
        .collect();
    assert_eq!(deeds, ["added_again", "recounted", "removed"].into());
    stack.audit();
    let again = stack.run(&["audit", "--repair"]);
    assert!(again.code == Some(0) && again.out.trim_end().ends_with("every law holds"), "{again:?}");
    assert!(!again.out.contains("added again"), "a second time there is nothing to do: {}", again.out);

    stack.add_worker();
    for id in [&missing, &orphan, &unplanned, &ended] {
        stack.await_status(id, "completed");
    }
    stack.await_drained(SOON);
    stack.audit();
}

#[test]
fn a_scrambled_task_is_counted_again_from_its_records_and_the_log() {
    let stack = Plan::workers(1).start();
    let failing = json!({ "description": "one fails", "subtasks": [
        { "description": "well" },
        { "description": "badly", "kind": "test_task", "params": { "success_rate": 0 } },
    ] });
    let ids = [stack.client.submit(&body::authentication()), stack.client.submit(&failing)];
    stack.await_drained(SOON);
    let documents = || {
        ids.each_ref().map(|id| {
            let mut document = stack.client.task(id);
            document.as_object_mut().expect("an object").remove("revision");
            document
        })
    };
    let hashes = || {
        ids.each_ref().map(|id| {
            let mut hash = stack.hash(&format!("task:{id}"));
            hash.remove("revision");
            hash
        })
    };
    let before = (documents(), hashes());
    for id in &ids {
        let (task, outcomes) = (format!("task:{id}"), format!("outcomes:{id}"));
        let scrambled = ["status", "queued", "completed", "9", "failed", "3", "updated_at", "1", "outcome_at", "2"];
        stack.redis.command(&[&["HSET", task.as_str()], &scrambled[..]].concat());
        stack.redis.command(&["HDEL", &task, "finished_at", "cancelled"]);
        stack.redis.command(&["HDEL", &outcomes, "1"]);
        for index in ["tasks:completed", "tasks:failed", "lifetimes"] {
            stack.redis.command(&["ZREM", index, id]);
        }
    }
    assert_eq!(stack.run(&["audit", "--json"]).code, Some(1));

    let rebuilt = stack.run(&["rebuild"]);
    assert_eq!(rebuilt.code, Some(0), "{rebuilt:?}");
    stack.audit();
    assert_eq!((documents(), hashes()), before);
    assert_eq!(stack.run(&["rebuild", "NONE"]).code, Some(3), "there is no such task");
}

fn entry_of(stack: &Stack, id: &str) -> String {
    let entries = stack.redis.command(&["XRANGE", STREAM, "-", "+"]);
    let is_its = |fields: &system_tests::redis::Reply| system_tests::books::fields(fields)["task_id"] == id;
    let entry = entries.items().iter().find(|entry| is_its(&entry.items()[1])).expect("its entry");
    entry.items()[0].text()
}

fn add_entry(stack: &Stack, id: &str) {
    let subtask_id = format!("{id}-0");
    let entry = ["task_id", id, "subtask_id", &subtask_id, "description", "once more"];
    stack.redis.command(&[&["XADD", STREAM, "*"], &entry[..]].concat());
}

/// Delivers entries, up to this one, to a consumer that does nothing more.
fn deliver(stack: &Stack, entry_id: &str) {
    loop {
        let read = ["XREADGROUP", "GROUP", "workers", "hand", "COUNT", "1", "STREAMS", STREAM, ">"];
        let reply = stack.redis.command(&read);
        let streams = reply.items();
        let got = streams.first().expect("it was not delivered before").items()[1].items()[0].items()[0].text();
        if got == entry_id {
            return;
        }
    }
}
