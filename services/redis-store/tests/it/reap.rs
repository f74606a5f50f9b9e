//! Re-adding what dead workers left.

use crate::stage::{MEDIUM, Stage, medium, name, refuses_other_types, stage};
use crate::state::without_times;
use proto_schemas::limit;
use redis_store::StoreError;
use redis_store::reap::{ReapCursors, Reaped};
use std::time::Duration;
use system_tests::redis::Reply;

/// A round that finds every lease run out.
async fn round(stage: &Stage) -> Result<Option<Reaped>, StoreError> {
    stage.raw(&["DEL", "maintenance:default"]);
    stage.store.reap(&name("r"), &stage.queue, Duration::ZERO, &mut ReapCursors::default()).await
}

fn fields(stage: &Stage, stream: &str) -> Vec<Vec<String>> {
    let texts = |entry: &Reply| entry.items()[1].items().iter().map(Reply::text).collect();
    stage.raw(&["XRANGE", stream, "-", "+"]).items().iter().map(texts).collect()
}

const ENTRY: [&[u8]; 6] = [b"task_id", b"T", b"subtask_id", b"T-4", b"description", b"d"];

#[tokio::test]
async fn a_left_entry_comes_back_with_one_crash_more_and_the_bell_rings() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.raw(&["DEL", "bell:default"]);
    stage.fetch("w", 1).await;
    let before = stage.story();
    let reaped = round(&stage).await.unwrap();
    assert_eq!(reaped, Some(Reaped { returned: 1, ..Reaped::default() }));
    let entry = "subtasks:default:medium: ID [w] v=1 task_id=T subtask_id=T-0 index=0 generation=0 kind=simulate \
                 description=step 0 priority=medium attempt=1 crashes=0 max_attempts=5 timeout_ms=600000 payload={}";
    assert_eq!(
        stage.since(&before),
        [
            format!("- {entry}"),
            "+ bell:default: 1 tokens".to_owned(),
            "+ events: ID v=1 by=r facts=T 0 0 crashed 1 1 r MS".to_owned(),
            "+ maintenance:default: r (expires)".to_owned(),
            format!("+ {} history=1 1 crashed MS r", entry.replace("[w] ", "").replace("crashes=0", "crashes=1")),
        ]
    );
    assert!((1..=450).contains(&stage.raw(&["PTTL", "maintenance:default"]).integer()));
}

#[tokio::test]
async fn a_round_sent_twice_returns_nothing_twice() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.fetch("w", 1).await;
    assert_eq!(round(&stage).await.unwrap(), Some(Reaped { returned: 1, ..Reaped::default() }));
    let but_the_gate = || {
        stage.raw(&["DEL", "maintenance:default"]);
        stage.exact()
    };
    let before = but_the_gate();
    assert_eq!(round(&stage).await.unwrap(), Some(Reaped::default()));
    assert_eq!(but_the_gate(), before);
}

/// Lets `w` take one entry and marks it, or not, as running alone; then its lease runs out.
async fn crash(stage: &Stage, alone: bool) -> Reaped {
    let entry_id = stage.fetch("w", 1).await.remove(0).entry_id;
    if alone {
        assert!(stage.store.mark_alone(&name("w"), &medium(), &entry_id).await.expect("an answer"));
    }
    round(stage).await.expect("an answer").expect("a round")
}

const RETURNED: Reaped = Reaped { returned: 1, buried: 0, malformed: 0, ghosts: 0 };
const BURIED: Reaped = Reaped { returned: 0, buried: 1, malformed: 0, ghosts: 0 };

#[tokio::test]
async fn the_third_crash_buries_what_ran_alone_and_the_fact_says_failed() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    for (alone, reaped) in [(true, RETURNED), (true, RETURNED), (true, BURIED)] {
        assert_eq!(crash(&stage, alone).await, reaped);
    }
    let told = ["T 0 0 crashed 1 1 r", "T 0 0 crashed 1 2 r", "T 0 0 failed 1 3 r crashes"];
    assert_eq!(stage.facts()[1..], told);
    let letter: Vec<String> = fields(&stage, "dead-letters")[0].iter().map(|text| without_times(text)).collect();
    assert_eq!(letter[..6], ["reason", "crashes", "error", "", "worker", "r"]);
    assert_eq!(letter[8..12], ["v", "1", "task_id", "T"]);
    assert_eq!(letter[letter.len() - 2..], ["history", "1 1 crashed MS r\n1 2 crashed MS r\n1 3 crashed MS r"]);
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 0);
}

#[tokio::test]
async fn nobody_is_buried_for_what_ran_beside_it_before_the_twelfth_crash() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    for crashes in 1..limit::CRASHES_CAP {
        assert_eq!(crash(&stage, false).await, RETURNED, "{crashes}");
    }
    let history = fields(&stage, MEDIUM)[0].last().unwrap().clone();
    assert_eq!(history.lines().count(), 11);
    assert_eq!(crash(&stage, false).await, BURIED);
    assert_eq!(stage.facts().last().unwrap(), "T 0 0 failed 1 12 r crashes");
}

#[tokio::test]
async fn a_mark_counts_only_for_the_run_that_it_was_made_for() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    for (alone, reaped) in [(true, RETURNED), (true, RETURNED), (false, RETURNED), (true, BURIED)] {
        assert_eq!(crash(&stage, alone).await, reaped);
    }
    assert_eq!(stage.facts().last().unwrap(), "T 0 0 failed 1 4 r crashes");
}

#[tokio::test]
async fn who_lost_an_entry_cannot_mark_it() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let entry_id = stage.fetch("w", 1).await.remove(0).entry_id;
    assert_eq!(round(&stage).await.unwrap(), Some(RETURNED));
    let before = stage.exact();
    assert!(!stage.store.mark_alone(&name("w"), &medium(), &entry_id).await.unwrap());
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn an_entry_keeps_the_newest_sixteen_of_its_attempts() {
    let stage = stage().await;
    let lines: Vec<String> = (1..=20_000).map(|at| format!("{at} 0 retrying 5 w error")).collect();
    let history = lines.join("\n");
    stage.leave("w", &[&ENTRY[..], &[b"history", history.as_bytes()]].concat()).await;
    assert_eq!(round(&stage).await.unwrap(), Some(RETURNED));
    let left = fields(&stage, MEDIUM).remove(0);
    assert_eq!(left[6], "history");
    assert_eq!(without_times(&left[7]), [&lines[19_985..], &["1 1 crashed MS r".to_owned()]].concat().join("\n"));
}

#[tokio::test]
async fn an_entry_as_long_as_an_entry_may_be_comes_back_and_can_still_be_read() {
    let stage = stage().await;
    let mut fields: Vec<&[u8]> = [&ENTRY[..], &[b"crashes", b"0"]].concat();
    let to_come = ["priority", "attempt", "history", "parked_at"].len(); // they count from the start
    fields.resize(2 * (limit::ENTRY_FIELDS_MAX - to_come), b"x");
    stage.leave("w", &fields).await;
    assert_eq!(round(&stage).await.unwrap(), Some(RETURNED));
    assert_eq!(stage.fetch("w", 1).await.remove(0).entry.unwrap().crashes, 1);
}

#[tokio::test]
async fn a_hand_written_entry_without_index_attempt_and_crashes_gets_the_readers_defaults() {
    let stage = stage().await;
    stage.leave("w", &ENTRY).await;
    assert_eq!(round(&stage).await.unwrap().unwrap().returned, 1);
    let expected =
        ["task_id", "T", "subtask_id", "T-4", "description", "d", "history", "1 1 crashed MS r", "crashes", "1"];
    let left: Vec<String> = fields(&stage, MEDIUM)[0].iter().map(|text| without_times(text)).collect();
    assert_eq!(left, expected);
    assert_eq!(stage.facts(), ["T 4 0 crashed 1 1 r"]);
    let entry = stage.fetch("v", 1).await.remove(0).entry.unwrap();
    assert_eq!((entry.index, entry.attempt, entry.crashes), (4, 1, 1));
}

#[tokio::test]
async fn garbage_becomes_a_dead_letter_with_its_bytes_and_fails_nobody() {
    let stage = stage().await;
    let garbage: [&[u8]; 4] = [b"\x00\xff\xc3", b"\r\n\xe2\x82", b"task_id", b"T"];
    stage.leave("w", &garbage).await;
    stage.leave("w", &[&b"y"[..]; 10_000]).await;
    let reaped = round(&stage).await.unwrap();
    assert_eq!(reaped, Some(Reaped { malformed: 2, ..Reaped::default() }));
    let letters = stage.raw(&["XRANGE", "dead-letters", "-", "+"]);
    let letter = |at: usize| &letters.items()[at].items()[1].items()[8..];
    assert_eq!(letter(0), garbage.map(|bytes| Reply::Text(bytes.to_vec())));
    assert_eq!(letter(1)[1].text(), "1:y,".repeat(10_000));
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.raw(&["XLEN", "events"]).integer()), (0, 0));
    assert_eq!(stage.raw(&["EXISTS", "bell:default"]).integer(), 0);
}

#[tokio::test]
async fn an_entry_of_a_newer_version_comes_back_untouched() {
    let stage = stage().await;
    let newer: [&[u8]; 6] = [b"v", b"2", b"crashes", b"2", b"what", b"\xff"];
    stage.leave("w", &newer).await;
    for _ in 0..4 {
        assert_eq!(round(&stage).await.unwrap(), Some(Reaped { returned: 1, ..Reaped::default() }));
        let entry = &stage.raw(&["XREADGROUP", "GROUP", "workers", "w", "STREAMS", MEDIUM, ">"]);
        let entry = &entry.items()[0].items()[1].items()[0];
        assert_eq!(entry.items()[1].items(), newer.map(|bytes| Reply::Text(bytes.to_vec())));
    }
    assert_eq!(stage.raw(&["EXISTS", "dead-letters"]).integer(), 0);
}

#[tokio::test]
async fn pending_ids_whose_entry_someone_deleted_are_counted_and_forgotten() {
    let stage = stage().await;
    let ids = [stage.leave("w", &ENTRY).await, stage.leave("w", &ENTRY).await];
    stage.leave("w", &ENTRY).await;
    stage.raw(&["XDEL", MEDIUM, &ids[0], &ids[1]]);
    let reaped = round(&stage).await.unwrap();
    assert_eq!(reaped, Some(Reaped { returned: 1, ghosts: 2, ..Reaped::default() }));
    assert_eq!(stage.raw(&["XPENDING", MEDIUM, "workers"]).items()[0].integer(), 0);
    assert_eq!(round(&stage).await.unwrap(), Some(Reaped::default()));
}

#[tokio::test]
async fn a_lease_that_has_not_run_out_is_left_alone() {
    let stage = stage().await;
    let old = stage.leave("w", &ENTRY).await;
    let fresh = stage.leave("w", &ENTRY).await;
    stage.raw(&["XCLAIM", MEDIUM, "workers", "w", "0", &old, "IDLE", "60000", "JUSTID"]);
    let mut cursors = ReapCursors::default();
    let lease = Duration::from_secs(60);
    let reaped = stage.store.reap(&name("r"), &stage.queue, lease, &mut cursors).await.unwrap();
    assert_eq!(reaped, Some(Reaped { returned: 1, ..Reaped::default() }));
    let left = stage.raw(&["XPENDING", MEDIUM, "workers", "-", "+", "9"]);
    assert_eq!((left.items().len(), left.items()[0].items()[0].text()), (1, fresh));
}

#[tokio::test]
async fn a_round_takes_a_hundred_a_stream_tells_128_an_entry_and_goes_on_where_it_stopped() {
    let stage = stage().await;
    stage.submit("T", 150).await;
    let fields = ["task_id", "U", "subtask_id", "U-0", "description", "d"];
    for _ in 0..50 {
        stage.raw(&[&["XADD", "subtasks:default:low", "*"][..], &fields].concat());
    }
    assert_eq!(stage.fetch("w", 150).await.len(), 200);
    let mut cursors = ReapCursors::default();
    for (returned, is_done) in [(150, false), (50, true)] {
        stage.raw(&["DEL", "maintenance:default"]);
        let reaped = stage.store.reap(&name("r"), &stage.queue, Duration::ZERO, &mut cursors).await.unwrap().unwrap();
        assert_eq!((reaped.returned, cursors.is_done()), (returned, is_done));
    }
    let lines = |entry: &Reply| entry.items()[1].items()[5].text().lines().count();
    let log = stage.raw(&["XRANGE", "events", "-", "+"]);
    assert_eq!(log.items()[1..].iter().map(lines).collect::<Vec<_>>(), [128, 22, 50]);
    assert_eq!(stage.raw(&["LLEN", "bell:default"]).integer(), 64);
}

#[tokio::test]
async fn without_memory_reaping_goes_on_and_buries() {
    let stage = stage().await;
    stage.leave("w", &ENTRY).await;
    stage.leave("w", &[b"garbage", b""]).await;
    stage.raw(&["DEL", "maintenance:default"]);
    stage.out_of_memory();
    for round in [Reaped { returned: 1, malformed: 1, ..Reaped::default() }, Reaped::default()] {
        let reaped = stage.store.reap(&name("r"), &stage.queue, Duration::ZERO, &mut ReapCursors::default()).await;
        assert_eq!(reaped.unwrap(), Some(round), "nobody can be first, so everybody runs");
    }
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.raw(&["XLEN", "dead-letters"]).integer()), (1, 1));
    assert_eq!(stage.facts(), ["T 4 0 crashed 1 1 r"]);
}

#[tokio::test]
async fn a_key_of_another_type_leaves_everything_pending() {
    let stage = stage().await;
    stage.leave("w", &ENTRY).await;
    let streams = ["critical", "high", "medium", "low"].map(|priority| format!("subtasks:default:{priority}"));
    let mut keys: Vec<&str> = streams.iter().map(String::as_str).collect();
    keys.extend(["events", "dead-letters", "bell:default"]);
    refuses_other_types(&stage, &keys, async || round(&stage).await.map(drop)).await;
    assert_eq!(stage.facts(), ["T 4 0 crashed 1 1 r"]);
}

#[tokio::test]
async fn streams_without_their_group_are_passed_over_and_a_forgotten_script_is_loaded() {
    let stage = stage().await;
    stage.leave("w", &ENTRY).await;
    stage.raw(&["XGROUP", "DESTROY", "subtasks:default:critical", "workers"]);
    stage.raw(&["DEL", "subtasks:default:high"]);
    stage.raw(&["SCRIPT", "FLUSH"]);
    assert_eq!(round(&stage).await.unwrap(), Some(Reaped { returned: 1, ..Reaped::default() }));
    assert_eq!(stage.raw(&["EXISTS", "subtasks:default:high"]).integer(), 0);
}

#[tokio::test]
async fn a_server_that_forbids_reaping_says_so_instead_of_reaping_nothing() {
    let stage = stage().await;
    stage.leave("w", &ENTRY).await;
    stage.raw(&["ACL", "SETUSER", "default", "-xautoclaim"]);
    let before = stage.story();
    let answer = round(&stage).await;
    assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
    assert_eq!(stage.since(&before), ["+ maintenance:default: r (expires)"]);
}

#[tokio::test]
async fn one_round_looks_past_what_thousands_of_living_leases_hold() {
    let stage = stage().await;
    for task in ["A", "B", "C"] {
        stage.submit(task, 1_000).await;
    }
    let held = stage.fetch("w", 3_000).await;
    let last = &held.last().expect("an entry").entry_id;
    stage.raw(&["XCLAIM", MEDIUM, "workers", "dead", "0", last, "IDLE", "3600000", "JUSTID"]);
    stage.raw(&["DEL", "maintenance:default"]);
    let mut cursors = ReapCursors::default();
    let reaped = stage.store.reap(&name("r"), &stage.queue, Duration::from_secs(600), &mut cursors).await.unwrap();
    assert_eq!((reaped, cursors.is_done()), (Some(RETURNED), true));
    assert_eq!(stage.raw(&["XPENDING", MEDIUM, "workers"]).items()[0].integer(), 2_999);
}
