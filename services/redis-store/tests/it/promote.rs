//! Moving what is due into its stream.

use crate::stage::{MEDIUM, Stage, medium, name, refuses_other_types, stage, submission, task_id};
use crate::state::NOTHING;
use proto_schemas::QueueName;
use redis_store::promote::Promoted;
use redis_store::retry::Retry;
use redis_store::{StoreError, key};
use std::time::Duration;

async fn promote(stage: &Stage) -> Result<Promoted, StoreError> {
    stage.store.promote(&name("r")).await
}

/// `count` subtasks whose second attempt is due in `delay`.
async fn waiting(count: usize, delay: Duration) -> Stage {
    let stage = stage().await;
    stage.submit("T", count).await;
    let reason: proto_schemas::Kind = "error".parse().expect("a reason");
    for chunk in stage.fetch("w", count).await.chunks(100) {
        let order = |entry_id: &str| {
            let (entry_id, reason) = (entry_id.to_owned(), reason.clone());
            Retry { stream: medium(), entry_id, task_id: task_id("T"), delay, reason }
        };
        let items: Vec<Retry> = chunk.iter().map(|one| order(&one.entry_id)).collect();
        stage.store.retry(&name("w"), &items).await.expect("answers");
    }
    stage.raw(&["DEL", "bell:default"]);
    stage
}

/// A member as a hand would write it.
fn put(stage: &Stage, member: &str, due: &str, body: &str) {
    stage.raw(&["ZADD", "delayed", due, member]);
    stage.raw(&["HSET", "delayed:body", member, body]);
}

#[tokio::test]
async fn what_is_due_comes_into_its_stream_and_the_bell_rings() {
    let stage = waiting(2, Duration::ZERO).await;
    put(&stage, "U-0", "9999999999999", "[\"default\",\"a\",\"b\"]");
    let before = stage.story();
    let answer = promote(&stage).await.unwrap();
    assert_eq!((answer.moved, answer.malformed), (2, 0));
    assert!(answer.next_due.unwrap() > Duration::from_secs(1_000_000_000));
    let changed = stage.since(&before);
    let entry = |index| {
        format!(
            "+ subtasks:default:medium: ID v=1 task_id=T subtask_id=T-{index} index={index} generation=0 \
             kind=simulate description=step {index} priority=medium attempt=2 crashes=0 max_attempts=5 \
             timeout_ms=600000 payload={{}} history=1 0 retrying MS w error"
        )
    };
    assert_eq!(changed[..2], ["- delayed: T-0 at MS", "- delayed: T-1 at MS"]);
    assert!(
        changed[2].starts_with("- delayed:body: ") && changed[4].starts_with("+ delayed:body: U-0="),
        "{changed:?}"
    );
    assert_eq!(changed[3], "+ bell:default: 2 tokens");
    assert_eq!(changed[5..], [entry(0), entry(1)]);
}

#[tokio::test]
async fn twice_moves_nothing_and_writes_nothing() {
    let stage = waiting(1, Duration::ZERO).await;
    assert_eq!(promote(&stage).await.unwrap(), Promoted { moved: 1, malformed: 0, next_due: None });
    let before = stage.exact();
    assert_eq!(promote(&stage).await.unwrap(), Promoted::default());
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn what_is_not_due_waits_and_says_how_long() {
    let stage = waiting(1, Duration::from_secs(60)).await;
    let before = stage.exact();
    let answer = promote(&stage).await.unwrap();
    assert_eq!((answer.moved, answer.malformed), (0, 0));
    let next = answer.next_due.unwrap();
    assert!(Duration::from_secs(50) < next && next <= Duration::from_secs(60), "{next:?}");
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn a_call_takes_a_hundred_and_says_that_more_is_due() {
    let stage = waiting(250, Duration::ZERO).await;
    for (moved, next_due) in [(100, Some(Duration::ZERO)), (100, Some(Duration::ZERO)), (50, None)] {
        assert_eq!(promote(&stage).await.unwrap(), Promoted { moved, malformed: 0, next_due });
    }
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.raw(&["LLEN", "bell:default"]).integer()), (250, 64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promoters_at_once_move_each_member_once() {
    let stage = waiting(400, Duration::ZERO).await;
    let mut promoters = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = stage.store.connect_again();
        promoters.spawn(async move {
            let mut moved = 0;
            for _ in 0..5 {
                moved += store.promote(&name("r")).await.expect("an answer").moved;
            }
            moved
        });
    }
    assert_eq!(promoters.join_all().await.iter().sum::<u64>(), 400);
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.raw(&["ZCARD", "delayed"]).integer()), (400, 0));
}

#[tokio::test]
async fn members_of_queues_that_the_caller_does_not_know_are_learnt_and_moved() {
    let stage = stage().await;
    put(&stage, "T-0", "1", "[\"gpu\",\"priority\",\"critical\"]");
    put(&stage, "T-1", "2", "[\"tpu\",\"priority\",\"low\"]");
    put(&stage, "T-2", "3", "[\"default\",\"no\",\"urgency\"]");
    assert_eq!(promote(&stage).await.unwrap().moved, 3);
    for (key, length) in [("subtasks:gpu:critical", 1), ("subtasks:tpu:low", 1), (MEDIUM, 1)] {
        assert_eq!(stage.raw(&["XLEN", key]).integer(), length, "{key}");
    }
    for queue in ["gpu", "tpu", "default"] {
        assert_eq!(stage.raw(&["LLEN", &key::bell(&QueueName::new(queue).unwrap())]).integer(), 1, "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_learn_of_a_queue_at_once_all_get_their_answer() {
    for round in 0..20 {
        let stage = stage().await;
        let mut promoters = tokio::task::JoinSet::new();
        for at in 0..8 {
            put(&stage, &format!("T-{at}"), "1", "[\"gpu\",\"a\",\"b\"]");
            let store = stage.store.clone();
            promoters.spawn(async move { store.promote(&name("r")).await });
        }
        let answers = promoters.join_all().await;
        assert!(answers.iter().all(Result::is_ok), "{round}: {answers:?}");
    }
}

#[tokio::test]
async fn a_member_whose_body_is_none_becomes_a_dead_letter_and_holds_up_nobody() {
    let stage = waiting(1, Duration::ZERO).await;
    let bodies = [
        "",
        "nonsense",
        "[]",
        "{\"a\":\"b\"}",
        "\"text\"",
        "[\"default\",\"a\"]",
        "[\"default\",\"a\",1]",
        "[\"default\",\"a\",null]",
        "[\"two words\",\"a\",\"b\"]",
        "[\"default\",\"priority\",\"urgent\"]",
    ];
    for (at, body) in bodies.iter().enumerate() {
        put(&stage, &format!("M-{at}"), "1", body);
    }
    let deep = "[".repeat(100_000);
    put(&stage, "M-deep", "1", &deep);
    let wide = format!("[\"default\"{}]", ",\"x\"".repeat(514));
    put(&stage, "M-wide", "1", &wide);
    stage.raw(&["ZADD", "delayed", "1", "M-bodyless"]);
    let count = bodies.len() as u64 + 3;
    assert_eq!(promote(&stage).await.unwrap(), Promoted { moved: 1, malformed: count, next_due: None });
    let letters = stage.raw(&["XRANGE", "dead-letters", "-", "+"]);
    assert_eq!(letters.items().len() as u64, count);
    for letter in letters.items() {
        let fields: Vec<String> = letter.items()[1].items().iter().map(|field| field.text()).collect();
        assert_eq!(fields[..6], ["reason", "malformed", "error", "", "worker", "r"]);
        let member = fields[7].strip_prefix("delayed ").unwrap();
        let body = match member.split_once('-').unwrap().1 {
            "deep" => &deep,
            "wide" => &wide,
            "bodyless" => "",
            at => bodies[at.parse::<usize>().unwrap()],
        };
        assert_eq!(fields[8..], ["body", body]);
    }
    assert_eq!(stage.raw(&["EXISTS", "delayed", "delayed:body"]).integer(), 0);
}

#[tokio::test]
async fn a_member_that_is_due_never_or_always_has_been_is_no_error() {
    let stage = stage().await;
    put(&stage, "T-0", "+inf", "[\"default\",\"a\",\"b\"]");
    assert!(promote(&stage).await.unwrap().next_due.is_some());
    put(&stage, "T-1", "-inf", "[\"default\",\"a\",\"b\"]");
    assert_eq!(promote(&stage).await.unwrap().moved, 1);
}

#[tokio::test]
async fn without_memory_a_promotion_is_refused_whole_and_what_is_due_waits() {
    let stage = waiting(2, Duration::ZERO).await;
    put(&stage, "M", "1", "nonsense");
    let before = stage.exact();
    stage.out_of_memory();
    let answer = stage.store.with_patience(Duration::ZERO).promote(&name("r")).await;
    assert!(matches!(answer, Err(StoreError::OutOfMemory(_))), "{answer:?}");
    assert_eq!(stage.exact(), before);
    stage.enough_memory();
    assert_eq!(promote(&stage).await.unwrap(), Promoted { moved: 2, malformed: 1, next_due: None });
}

#[tokio::test]
async fn a_key_of_another_type_stops_a_promotion_before_its_first_write() {
    let stage = waiting(1, Duration::ZERO).await;
    let streams = ["critical", "high", "medium", "low"].map(|priority| format!("subtasks:default:{priority}"));
    let mut keys: Vec<&str> = streams.iter().map(String::as_str).collect();
    keys.extend(["delayed", "delayed:body", "dead-letters", "meta", "bell:default"]);
    refuses_other_types(&stage, &keys, async || promote(&stage).await.map(drop)).await;
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 1);
}

#[tokio::test]
async fn a_forgotten_script_promotes_nothing_twice() {
    let stage = waiting(1, Duration::ZERO).await;
    stage.raw(&["SCRIPT", "FLUSH"]);
    assert_eq!(promote(&stage).await.unwrap().moved, 1);
    stage.raw(&["SCRIPT", "FLUSH"]);
    let before = stage.story();
    assert_eq!(promote(&stage).await.unwrap().moved, 0);
    assert_eq!(stage.since(&before), NOTHING);
}

#[tokio::test]
async fn a_page_shows_what_waits_by_the_time_it_is_due() {
    let stage = stage().await;
    stage.accept(&submission("T", 1)).await;
    put(&stage, "b", "20", "[]");
    put(&stage, "a", "10.9", "{}");
    stage.raw(&["ZADD", "delayed", "30", "c"]);
    let page = stage.store.delayed_page(0, 2).await.unwrap();
    let shown: Vec<(&str, u64, Option<&str>)> =
        page.iter().map(|row| (row.member.as_str(), row.due_ms, row.body.as_deref())).collect();
    assert_eq!(shown, [("a", 10, Some("{}")), ("b", 20, Some("[]"))]);
    let page = stage.store.delayed_page(2, 2).await.unwrap();
    assert_eq!((page.len(), page[0].body.clone()), (1, None));
    assert_eq!(stage.store.delayed_page(3, 2).await.unwrap(), []);
}
