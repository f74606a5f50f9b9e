//! Folding facts: order, repetition and parallel projectors change nothing.

use crate::stage::{Stage, TTL, name, refuses_other_types, stage, submission, task_id};
use crate::state::{NOTHING, difference};
use proto_schemas::TaskStatus;
use redis_store::StoreError;
use redis_store::fold::FoldCounts;
use redis_store::task_end::TaskEnd;
use std::time::Duration;
use system_tests::redis::Reply;

pub fn counts(counted: u64, progressed: u64, duplicate: u64, ignored: u64) -> FoldCounts {
    FoldCounts { counted, progressed, duplicate, ignored }
}

/// `task:T` without what a submit wrote once.
pub fn head(stage: &Stage) -> String {
    let fields = ["status", "completed", "failed", "cancelled", "updated_at", "outcome_at", "finished_at", "revision"];
    fields.map(|field| stage.task("T", field)).join(" ")
}

/// Fields of `outcomes:T`, sorted.
pub fn outcomes(stage: &Stage) -> Vec<String> {
    let fields: Vec<String> = stage.raw(&["HGETALL", "outcomes:T"]).items().iter().map(Reply::text).collect();
    let mut lines: Vec<String> = fields.chunks(2).map(|pair| pair.join("=")).collect();
    lines.sort();
    lines
}

pub const LATE: u64 = 2_000_000_000_000;

pub fn fact(index: u32, word: &str, ms: u64) -> String {
    format!("T {index} 0 {word} 1 0 w {}", LATE + ms)
}

#[tokio::test]
async fn the_last_outcome_ends_the_task_and_moves_it_through_the_indexes() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    stage.fold(&[]).await;
    let created_at = stage.task("T", "created_at");
    let before = stage.story();
    let answer = stage.fold(&[&fact(1, "started", 10)]).await;
    assert_eq!((answer, head(&stage)), (counts(0, 1, 0, 0), "processing 0 0 0 2000000000010 0  2".into()));
    assert_eq!(outcomes(&stage), ["~1=0 1 0 2000000000010 started w"]);
    let answer = stage.fold(&[&fact(1, "completed", 30)]).await;
    assert_eq!((answer, head(&stage)), (counts(1, 0, 0, 0), "processing 1 0 0 2000000000030 2000000000030  3".into()));
    let answer = stage.fold(&[&format!("{} extra", fact(0, "completed", 20))]).await;
    assert_eq!(answer, counts(1, 0, 0, 0));
    assert_eq!(head(&stage), "completed 2 0 0 2000000000030 2000000000030 2000000000030 4");
    assert_eq!(outcomes(&stage), ["0=completed 1 0 2000000000020 extra", "1=completed 1 0 2000000000030"]);
    let moved: Vec<String> = stage.since(&before).into_iter().filter(|line| line.contains(": T at")).collect();
    assert_eq!(moved, ["- tasks:queued: T at MS", "+ tasks:completed: T at MS"]);
    assert_eq!(stage.raw(&["ZSCORE", "tasks:completed", "T"]).text(), created_at);
    assert_eq!(stage.raw(&["ZSCORE", "lifetimes", "T"]).integer() as u64, LATE + 30 + TTL.as_millis() as u64);
    assert_eq!(stage.raw(&["XPENDING", "events", "projector"]).items()[0].integer(), 0);
}

#[tokio::test]
async fn only_a_start_a_retry_or_an_end_makes_a_task_processing() {
    let stage = stage().await;
    for (task, word, status) in [
        ("A", "started", "processing"),
        ("B", "retrying", "processing"),
        ("C", "crashed", "queued"),
        ("D", "returned", "queued"),
        ("E", "parked", "queued"),
        ("F", "completed", "processing"),
    ] {
        stage.submit(task, 2).await;
        stage.fold(&[&format!("{task} 0 0 {word} 1 0 w 5")]).await;
        assert_eq!(stage.task(task, "status"), status, "{word}");
        stage.fold(&[&format!("{task} 0 0 started 1 0 w 4")]).await;
        assert_eq!(stage.task(task, "status"), "processing", "{word}, and a start that comes late");
    }
}

#[tokio::test]
async fn a_failure_beats_a_cancellation_and_a_cancellation_beats_completion() {
    let stage = stage().await;
    for (task, words, status) in [
        ("A", ["completed", "completed", "completed"], "completed"),
        ("B", ["completed", "cancelled", "completed"], "cancelled"),
        ("C", ["cancelled", "cancelled", "failed"], "failed"),
        ("D", ["failed", "completed", "completed"], "failed"),
    ] {
        stage.submit(task, 3).await;
        let lines: Vec<String> = (0..3).map(|at| format!("{task} {at} 0 {} 1 0 w 5", words[at])).collect();
        stage.fold(&[&lines.join("\n")]).await;
        assert_eq!((stage.task(task, "status"), stage.task(task, "finished_at")), (status.into(), "5".into()));
        assert_eq!(stage.raw(&["ZSCORE", &format!("tasks:{status}"), task]).text(), stage.task(task, "created_at"));
        assert_eq!(stage.raw(&["ZSCORE", "tasks:queued", task]), Reply::Nil);
    }
}

#[tokio::test]
async fn folding_an_entry_again_changes_no_key_at_all() {
    let stage = stage().await;
    stage.submit("T", 3).await;
    let lines = [fact(0, "started", 10), fact(0, "completed", 20), fact(1, "crashed", 15), "no fact".to_owned()];
    stage.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", &lines.join("\n")]);
    let events = stage.events().await;
    assert_eq!(stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts, counts(1, 2, 0, 0));
    let before = stage.exact();
    assert_eq!(stage.store.fold(&name("q"), TTL, &events).await.unwrap().counts, counts(0, 1, 2, 0));
    assert_eq!(stage.store.fold_again(&name("q"), TTL, &events).await.unwrap().counts, counts(0, 1, 2, 0));
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn the_fold_that_ends_a_task_is_told_so_and_no_other() {
    let stage = stage().await;
    let mut mixed = submission("B", 2);
    mixed.subtasks[1].kind = "mail".parse().unwrap();
    stage.submit("A", 2).await;
    stage.accept(&mixed).await;
    stage.submit("C", 2).await;
    for task in ["A", "B", "C"] {
        stage.raw(&["HSET", &format!("task:{task}"), "created_at", "1000"]);
    }
    let fold = async |lines: &[&str]| {
        stage.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", &lines.join("\n")]);
        let events = stage.events().await;
        stage.store.fold(&name("p"), TTL, &events).await.unwrap().ends
    };
    assert_eq!(fold(&["A 0 0 completed 1 0 w 5000", "C 0 0 completed 1 0 w 5000"]).await, []);
    let lines = ["B 0 0 failed 1 0 w 1500", "B 1 0 completed 1 0 w 3000", "A 1 0 completed 1 0 w 400"];
    let of = |status, ms, kind: Option<&str>| TaskEnd {
        status,
        took: Duration::from_millis(ms),
        kind: kind.map(|kind| kind.parse().unwrap()),
    };
    let ends = [of(TaskStatus::Completed, 4_000, Some("simulate")), of(TaskStatus::Failed, 2_000, None)];
    assert_eq!(fold(&lines).await, ends);
    assert_eq!(fold(&lines).await, [], "told again");
    assert_eq!(fold(&["C 1 0 completed 1 0 w 10"]).await, [of(TaskStatus::Completed, 4_000, Some("simulate"))]);
}

#[tokio::test]
async fn the_revision_counts_changes_and_nothing_else() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    let steps = [
        (fact(0, "started", 10), 2),
        (fact(0, "started", 10), 2),           // known
        (fact(0, "returned", 5), 2),           // older than what is known
        (fact(9, "completed", 99), 2),         // no such index
        ("T - 0 created 0 0 api 1".into(), 2), // about the task as a whole
        (fact(0, "completed", 20), 3),
        (fact(0, "failed", 20), 3),    // the first outcome stands
        (fact(0, "started", 30), 4),   // late, but the newest time so far
        (fact(1, "completed", 10), 5), // the task ends
        (fact(1, "completed", 10), 5),
    ];
    for (line, revision) in steps {
        stage.fold(&[&line]).await;
        assert_eq!(stage.task("T", "revision"), revision.to_string(), "{line}");
    }
}

#[tokio::test]
async fn facts_about_nothing_that_there_is_are_ignored_and_acknowledged() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    stage.raw(&["HSET", "task:half", "total", "3", "status", "queued"]); // no created_at: nobody's task
    stage.raw(&["HSET", "task:odd", "total", "3", "status", "odd", "created_at", "5"]);
    stage.fold(&[]).await;
    let before = stage.story();
    let lines =
        ["U 0 0 completed 1 0 w 5", "T 2 0 completed 1 0 w 5", "T 0 1 completed 1 0 w 5", "T 0 1 requeued 1 0 w 5"];
    let more = ["half 0 0 completed 1 0 w 5", "odd 0 0 started 1 0 w 5"];
    let answer = stage.fold(&[&[&lines[..], &more].concat().join("\n")]).await;
    assert_eq!(answer, counts(0, 0, 0, 6));
    let came = stage.since(&before);
    assert!(came.len() == 1 && came[0].starts_with("+ events:"), "{came:?}");
    assert_eq!(stage.raw(&["XPENDING", "events", "projector"]).items()[0].integer(), 0);
}

#[tokio::test]
async fn a_line_that_is_no_fact_becomes_a_dead_letter_once_and_the_others_count() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    let good = fact(0, "completed", 5);
    let facts = [good.as_bytes(), b"T 0 0 exploded 1 0 w 5", b"\xff\x00", b""].join(&b'\n');
    stage.raw(&[b"XADD", &b"events"[..], b"*", b"v", b"1", b"by", b"hand", b"facts", &facts]);
    stage.raw(&["XADD", "events", "*", "not", "ours"]);
    let events = stage.events().await;
    for answer in [counts(1, 0, 0, 0), counts(0, 0, 1, 0)] {
        assert_eq!(stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts, answer);
    }
    let letters = stage.raw(&["XRANGE", "dead-letters", "-", "+"]);
    let line = |at: usize| letters.items()[at].items()[1].items()[9].clone();
    let kept: Vec<Reply> = (0..letters.items().len()).map(line).collect();
    let expected = [&b"T 0 0 exploded 1 0 w 5"[..], b"\xff\x00", b"", b"not=ours "];
    assert_eq!(kept, expected.map(|bytes| Reply::Text(bytes.to_vec())));
    let first = letters.items()[0].items()[1].items();
    let head: Vec<String> = first[..9].iter().map(Reply::text).collect();
    let source = format!("events {}", events[1].entry_id);
    assert_eq!(head, ["reason", "malformed_fact", "error", "", "worker", "p", "source", source.as_str(), "line"]);
}

#[tokio::test]
async fn a_thousand_lines_that_are_no_facts_become_sixteen_dead_letters() {
    let stage = stage().await;
    let lines: Vec<String> = (0..1_000).map(|at| format!("bad {at}")).collect();
    stage.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", &lines.join("\n")]);
    let events = stage.events().await;
    assert_eq!(stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts, counts(0, 0, 0, 0));
    let letters = stage.raw(&["XRANGE", "dead-letters", "-", "+"]);
    let kept: Vec<String> = letters.items().iter().map(|letter| letter.items()[1].items()[9].text()).collect();
    assert_eq!(kept[..15], lines[..15]);
    assert_eq!((kept.len(), &kept[15]), (16, &lines[15..].join("\n")));
}

#[tokio::test]
async fn without_memory_a_fold_runs_to_its_end() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", &format!("{}\nbad", fact(0, "failed", 5))]);
    let events = stage.events().await;
    stage.out_of_memory();
    assert_eq!(stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts, counts(1, 0, 0, 0));
    assert_eq!((stage.task("T", "status"), stage.raw(&["XLEN", "dead-letters"]).integer()), ("failed".into(), 1));
}

#[tokio::test]
async fn a_key_of_another_type_leaves_the_facts_pending() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", &format!("{}\nbad", fact(0, "failed", 5))]);
    let events = stage.events().await;
    let indexes = ["queued", "processing", "completed", "failed", "cancelled"].map(|word| format!("tasks:{word}"));
    let mut keys: Vec<&str> = indexes.iter().map(String::as_str).collect();
    keys.extend(["events", "dead-letters", "lifetimes", "task:T", "outcomes:T"]);
    let fold = async || stage.store.fold(&name("p"), TTL, &events).await.map(drop);
    refuses_other_types(&stage, &keys, fold).await;
    assert_eq!((stage.task("T", "status"), stage.raw(&["XLEN", "dead-letters"]).integer()), ("failed".into(), 1));
}

#[tokio::test]
async fn a_forgotten_script_or_group_counts_nothing_twice() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    stage.raw(&["SCRIPT", "FLUSH"]);
    stage.fold(&[&fact(0, "completed", 5)]).await;
    stage.raw(&["XGROUP", "DESTROY", "events", "projector"]);
    let answer = stage.store.read_events(&name("p"), 9, std::time::Duration::from_millis(1)).await;
    assert!(matches!(answer, Err(StoreError::NoGroup(_))), "{answer:?}");
    stage.store.create_projector_group().await.unwrap();
    let before = stage.story();
    assert_eq!(stage.fold(&[]).await, counts(0, 0, 1, 0), "from the first fact on");
    assert_eq!(difference(&before, &stage.story()), NOTHING);
    assert_eq!(stage.store.task(&task_id("T")).await.unwrap().unwrap().task.completed, 1);
}
