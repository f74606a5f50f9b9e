//! Entries that no Millstream wrote.

use std::collections::BTreeMap;
use system_tests::body;
use system_tests::books::fields;
use system_tests::eventually::eventually;
use system_tests::redis::Reply;
use system_tests::stack::{Plan, SOON, Stack};

const STREAM: &str = "subtasks:default:medium";

#[test]
fn garbage_becomes_dead_letters_with_its_bytes_and_the_others_go_on() {
    let stack = Plan::workers(2).start();
    let sound: &[&[u8]] = &[b"task_id", b"HAND", b"subtask_id", b"HAND-7", b"description", b"by hand"];
    let big = vec![b'x'; 70_000];
    let garbage: Vec<Vec<&[u8]>> = vec![
        vec![b"\xff\xfe", b"\x00\x01\xff"],
        vec![b"task_id", b"HAND", b"description", b"no subtask_id"],
        vec![b"task_id", b"\xc3\x28", b"subtask_id", b"HAND-1", b"description", b"an id that is not text"],
        with(sound, &[b"attempt", b"99999999999999999999"]),
        with(sound, &[b"attempt", b"0"]),
        with(sound, &[b"index", b"-1"]),
        with(sound, &[b"crashes", b"4294967296"]),
        with(sound, &[b"timeout_ms", b"soon"]),
        with(sound, &[b"v", b"one"]),
        with(sound, &[b"payload", &big]),
        with(sound, &[b"kind", b"no such\nkind"]),
    ];
    for entry in &garbage {
        add(&stack, entry);
    }
    add(&stack, sound);
    let id = stack.client.submit(&body::simulated(10));
    stack.await_status(&id, "completed");
    eventually(SOON, "the hand-written entry is executed", || stack.result("HAND-7").contains("by hand").then_some(()));

    let letters = eventually(SOON, "every garbage entry is a dead letter", || {
        let letters = stack.redis.command(&["XRANGE", "dead-letters", "-", "+"]);
        (letters.items().len() == garbage.len()).then_some(letters)
    });
    for entry in &garbage {
        let kept = letters.items().iter().any(|letter| ends_with(&letter.items()[1], entry));
        assert!(kept, "its bytes are kept: {entry:?}");
    }
    for letter in letters.items() {
        assert_eq!(fields_lossy(letter)["reason"], "malformed");
        assert!(fields_lossy(letter)["source"].starts_with(STREAM));
    }
    assert_eq!(stack.redis.command(&["XLEN", STREAM]).integer(), 0);
    assert!(stack.workers.iter().all(|worker| worker.try_exit().is_none()), "workers live on");
    stack.audit();
}

#[test]
fn what_this_version_cannot_run_is_handed_back_or_parked_and_never_dropped() {
    let stack = Plan::workers(1).start();
    let base: &[&[u8]] = &[b"task_id", b"LATER", b"description", b"for another"];
    let newer = add(&stack, &with(base, &[b"subtask_id", b"LATER-0", b"v", b"2"]));
    let unknown = add(&stack, &with(base, &[b"subtask_id", b"LATER-1", b"kind", b"unheard-of"]));
    let is_there = |id: &str| !stack.redis.command(&["XRANGE", STREAM, id, id]).items().is_empty();
    eventually(SOON, "both were given back at least once", || (!is_there(&newer) && !is_there(&unknown)).then_some(()));
    let id = stack.client.submit(&body::simulated(10));
    stack.await_status(&id, "completed");
    eventually(SOON, "the newer one waits in its stream", || {
        stack.entries().iter().any(|entry| entry.get("v").is_some_and(|v| v == "2")).then_some(())
    });
    eventually(SOON, "the one of an unknown kind is parked, and says since when", || {
        let parked = stack.redis.command(&["HGET", "delayed:body", "LATER-1"]).text();
        parked.contains("unheard-of").then(|| assert!(parked.contains("parked_at"), "{parked}"))
    });
    let parked: Vec<_> = stack.facts("LATER").into_iter().filter(|fact| fact.fact == "parked").collect();
    assert_eq!((parked.len(), parked[0].attempt, parked[0].crashes), (1, 1, 0), "told once, and nothing was burnt");
    assert_eq!(stack.redis.command(&["XLEN", "dead-letters"]).integer(), 0);
    assert!(stack.workers[0].try_exit().is_none());
}

#[test]
fn a_bad_line_in_the_log_becomes_a_dead_letter_and_its_neighbours_are_folded() {
    let stack = Plan::workers(0).start();
    let id = stack.client.submit(&body::simulated(2));
    let good = format!("{id} 0 0 completed 1 0 by-hand 1790000000000");
    let facts = format!("{id} 0 0 done 1 0 by-hand 1\n{good}\nnonsense");
    stack.redis.command(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", &facts]);
    stack.redis.command(&[b"XADD".as_slice(), b"events", b"*", b"\xff", b"\x00"]);
    eventually(SOON, "the good line is folded", || {
        (stack.hash(&format!("task:{id}"))["completed"] == "1").then_some(())
    });
    let letters = eventually(SOON, "the bad ones are dead letters", || {
        let letters = stack.redis.command(&["XRANGE", "dead-letters", "-", "+"]);
        (letters.items().len() == 3).then_some(letters)
    });
    assert!(letters.items().iter().all(|letter| fields_lossy(letter)["reason"] == "malformed_fact"));
    eventually(SOON, "nothing stays unfolded", || stack.pending_in("events", "projector").is_empty().then_some(()));
    assert_eq!(stack.redis.command(&["XINFO", "GROUPS", "events"]).items().len(), 1);
    assert!(stack.projectors[0].try_exit().is_none(), "the projector lives on");
}

fn with<'a>(base: &[&'a [u8]], more: &[&'a [u8]]) -> Vec<&'a [u8]> {
    base.iter().chain(more).copied().collect()
}

/// Adds an entry as anyone can; answers its id.
fn add(stack: &Stack, entry: &[&[u8]]) -> String {
    let mut command: Vec<&[u8]> = vec![b"XADD", STREAM.as_bytes(), b"*"];
    command.extend(entry);
    stack.redis.command(&command).text()
}

fn ends_with(letter: &Reply, entry: &[&[u8]]) -> bool {
    let kept: Vec<&[u8]> = letter.items().iter().map(bytes).collect();
    kept.ends_with(entry)
}

fn bytes(reply: &Reply) -> &[u8] {
    match reply {
        Reply::Text(bytes) => bytes,
        other => panic!("not a string: {other:?}"),
    }
}

fn fields_lossy(letter: &Reply) -> BTreeMap<String, String> {
    fields(&letter.items()[1])
}
