//! Recording how attempts ended: the acknowledgement is the fence.

use crate::stage::{MEDIUM, Stage, TTL, name, refuses_other_types, settlement, stage};
use crate::state::NOTHING;
use proto_schemas::{FactKind, Kind, Priority, limit};
use redis_store::settle::{Settled, Settlement};
use redis_store::{StoreError, fetch::Fetched};
use std::time::Duration;

async fn running(stage: &Stage, count: usize) -> Vec<Fetched> {
    stage.submit("T", count).await;
    stage.raw(&["DEL", "bell:default"]);
    stage.fetch("w", count).await
}

fn batch(fetched: &[Fetched], result: Option<&str>) -> Vec<Settlement> {
    fetched.iter().map(|entry| settlement(entry, "w", FactKind::Completed, result)).collect()
}

#[tokio::test]
async fn an_outcome_takes_the_entry_away_keeps_the_result_and_tells_the_log() {
    let stage = stage().await;
    let fetched = running(&stage, 2).await;
    let before = stage.story();
    let mut items = batch(&fetched, Some("{\"a\":1}"));
    items[1].fact.kind = FactKind::Failed;
    items[1].fact.reason = Some(Kind::new("timeout").unwrap());
    items[1].result = None;
    assert_eq!(stage.store.settle(&name("w"), &items).await.unwrap(), [Settled::Recorded; 2]);
    let entry = |index| {
        format!(
            "- subtasks:default:medium: ID [w] v=1 task_id=T subtask_id=T-{index} index={index} generation=0 \
             kind=simulate description=step {index} priority=medium attempt=1 crashes=0 max_attempts=5 \
             timeout_ms=600000 payload={{}}"
        )
    };
    assert_eq!(
        stage.since(&before),
        [
            entry(0),
            entry(1),
            "+ events: ID v=1 by=w facts=T 0 0 completed 1 0 w MS\\nT 1 0 failed 1 0 w MS timeout".to_owned(),
            "+ result:T-0: {\\\"a\\\":1} (expires)".to_owned(),
        ]
    );
    assert!((86_399..=86_400).contains(&stage.raw(&["TTL", "result:T-0"]).integer()));
}

#[tokio::test]
async fn an_id_of_twenty_digits_is_as_good_as_any() {
    let stage = stage().await;
    stage.raw(&["XADD", super::stage::MEDIUM, "10000000000000000000-18446744073709551614", "hello", "world"]);
    stage.submit("T", 1).await;
    let fetched = stage.fetch("w", 9).await;
    assert_eq!(fetched[1].entry_id, "10000000000000000000-18446744073709551615");
    assert_eq!(stage.store.settle(&name("w"), &batch(&fetched[1..], None)).await.unwrap(), [Settled::Recorded]);
    let mut beyond = batch(&fetched[1..], None);
    for id in ["18446744073709551616-0", "1-18446744073709551616", "1-100000000000000000000"] {
        beyond[0].entry_id = id.to_owned();
        assert!(stage.store.settle(&name("w"), &beyond).await.is_err(), "{id} is no id");
    }
}

#[tokio::test]
async fn the_same_call_twice_is_stale_and_writes_nothing() {
    let stage = stage().await;
    let fetched = running(&stage, 3).await;
    let items = batch(&fetched, Some("1"));
    stage.store.settle(&name("w"), &items).await.unwrap();
    let before = stage.exact();
    let other = batch(&fetched, Some("2"));
    assert_eq!(stage.store.settle(&name("w"), &items).await.unwrap(), [Settled::Stale; 3]);
    assert_eq!(stage.store.settle(&name("v"), &other).await.unwrap(), [Settled::Stale; 3]);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn an_entry_twice_in_one_batch_is_recorded_once() {
    let stage = stage().await;
    let fetched = running(&stage, 1).await;
    let twice = [batch(&fetched, Some("1")), batch(&fetched, Some("2"))].concat();
    let answers = stage.store.settle(&name("w"), &twice).await.unwrap();
    assert_eq!(answers, [Settled::Recorded, Settled::Stale]);
    assert_eq!(stage.raw(&["GET", "result:T-0"]).text(), "1");
    assert_eq!(stage.facts(), ["T - 0 created 0 0 api", "T 0 0 completed 1 0 w"]);
}

#[tokio::test]
async fn what_is_not_pending_is_stale_whoever_asks() {
    let stage = stage().await;
    let mut items = batch(&running(&stage, 1).await, Some("1"));
    stage.store.settle(&name("w"), &items).await.unwrap();
    let unread = stage.raw(&["XADD", MEDIUM, "*", "task_id", "T"]).text();
    for entry_id in [unread.as_str(), "1-1", "9999999999999-0"] {
        let before = stage.exact();
        items[0].entry_id = entry_id.to_owned();
        assert_eq!(stage.store.settle(&name("w"), &items).await.unwrap(), [Settled::Stale], "{entry_id}");
        assert_eq!(stage.exact(), before);
    }
}

#[tokio::test]
async fn a_late_settle_of_a_reaped_attempt_is_stale_and_leaves_result_and_hash_alone() {
    let stage = stage().await;
    let zombie = batch(&running(&stage, 1).await, Some("late"));
    let mut cursors = Default::default();
    stage.store.reap(&name("r"), &stage.queue, Duration::ZERO, &mut cursors).await.unwrap();
    let again = batch(&stage.fetch("v", 1).await, Some("first"));
    assert_eq!(stage.store.settle(&name("v"), &again).await.unwrap(), [Settled::Recorded]);
    let events = stage.events().await;
    stage.store.fold(&name("p"), TTL, &events).await.unwrap();
    let before = stage.exact();
    assert_eq!(stage.store.settle(&name("w"), &zombie).await.unwrap(), [Settled::Stale]);
    assert_eq!(stage.exact(), before);
    assert_eq!((stage.raw(&["GET", "result:T-0"]).text(), stage.task("T", "completed")), ("first".into(), "1".into()));
}

#[tokio::test]
async fn a_result_that_stands_is_never_replaced() {
    let stage = stage().await;
    let fetched = running(&stage, 2).await;
    stage.raw(&["SET", "result:T-0", "stands", "EX", "1000"]);
    stage.raw(&["RPUSH", "result:T-1", "of another type"]);
    let answers = stage.store.settle(&name("w"), &batch(&fetched, Some("new"))).await.unwrap();
    assert_eq!(answers, [Settled::Recorded; 2]);
    assert_eq!(stage.raw(&["GET", "result:T-0"]).text(), "stands");
    assert!(stage.raw(&["TTL", "result:T-0"]).integer() <= 1_000);
    assert_eq!(stage.raw(&["TYPE", "result:T-1"]).text(), "list");
}

#[tokio::test]
async fn items_of_several_streams_and_a_stale_one_between_them_are_told_apart() {
    let stage = stage().await;
    let mut items = batch(&running(&stage, 2).await, Some("1"));
    let fields = ["task_id", "U", "subtask_id", "U-0", "description", "d"];
    stage.raw(&[&["XADD", "subtasks:default:low", "*"][..], &fields].concat());
    items.splice(1..1, batch(&stage.fetch("w", 1).await, None));
    stage.raw(&["XACK", MEDIUM, "workers", &items[0].entry_id]);
    let answers = stage.store.settle(&name("w"), &items).await.unwrap();
    assert_eq!(answers, [Settled::Stale, Settled::Recorded, Settled::Recorded]);
    assert_eq!(stage.facts()[1..], ["U 0 0 completed 1 0 w", "T 1 0 completed 1 0 w"]);
    assert_eq!(stage.raw(&["EXISTS", "result:T-0", "result:T-1", "result:U-0"]).integer(), 1);
    assert_eq!(
        stage.raw(&["XLEN", MEDIUM]).integer(),
        1,
        "the one that someone else acknowledged is not ours to delete"
    );
}

#[tokio::test]
async fn the_facts_of_a_large_batch_come_in_entries_of_128() {
    let stage = stage().await;
    let items = batch(&running(&stage, 300).await, None);
    assert_eq!(stage.store.settle(&name("w"), &items).await.unwrap(), [Settled::Recorded; 300]);
    let entries = stage.raw(&["XRANGE", "events", "-", "+"]);
    let lines = |entry: &system_tests::redis::Reply| entry.items()[1].items()[5].text().lines().count();
    assert_eq!(entries.items()[1..].iter().map(lines).collect::<Vec<_>>(), [limit::BATCH_ITEMS_MAX, 128, 44]);
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 0);
}

#[tokio::test]
async fn without_memory_a_settle_runs_to_its_end() {
    let stage = stage().await;
    let items = batch(&running(&stage, 2).await, Some("1"));
    let before = stage.story();
    stage.out_of_memory();
    assert_eq!(stage.store.settle(&name("w"), &items).await.unwrap(), [Settled::Recorded; 2]);
    assert_eq!(stage.since(&before).len(), 5, "two entries gone; two results and one event come");
}

#[tokio::test]
async fn a_key_of_another_type_leaves_the_entry_pending() {
    let stage = stage().await;
    let items = batch(&running(&stage, 2).await, Some("1"));
    let settle = async || stage.store.settle(&name("w"), &items).await.map(drop);
    refuses_other_types(&stage, &["events", MEDIUM], settle).await;
    assert_eq!(stage.facts().len(), 3);
}

#[tokio::test]
async fn a_second_stream_of_another_type_leaves_also_the_entries_of_the_first_pending() {
    let stage = stage().await;
    let mut items = batch(&running(&stage, 2).await, Some("1"));
    items[1].stream.priority = Priority::Low;
    let settle = async || stage.store.settle(&name("w"), &items).await.map(drop);
    refuses_other_types(&stage, &["subtasks:default:low"], settle).await;
    assert_eq!(stage.facts()[1..], ["T 0 0 completed 1 0 w"]);
}

#[tokio::test]
async fn a_call_of_the_wrong_shape_is_refused_before_its_first_write() {
    let stage = stage().await;
    let good = batch(&running(&stage, 2).await, Some("1"));
    let before = stage.exact();
    for entry_id in ["", "5", "5-", "x-1", "5-1 ", "99999999999999999999-0"] {
        let mut items = good.clone();
        items[1].entry_id = entry_id.to_owned();
        let answer = stage.store.settle(&name("w"), &items).await;
        assert!(matches!(answer, Err(StoreError::Refused(_))), "{entry_id}: {answer:?}");
        assert_eq!(stage.exact(), before);
    }
    for kind in [FactKind::Started, FactKind::Retrying] {
        let mut items = good.clone();
        items[1].fact.kind = kind;
        assert!(matches!(stage.store.settle(&name("w"), &items).await, Err(StoreError::Refused(_))), "{kind}");
        assert_eq!(stage.exact(), before);
    }
    let many = vec![good[0].clone(); 1_001];
    assert!(matches!(stage.store.settle(&name("w"), &many).await, Err(StoreError::Refused(_))));
    assert_eq!(stage.exact(), before);
    let mut endless = good;
    endless[0].result_ttl = Duration::MAX;
    endless[1].result_ttl = Duration::ZERO;
    assert_eq!(stage.store.settle(&name("w"), &endless).await.unwrap(), [Settled::Recorded; 2]);
}

#[tokio::test]
async fn a_forgotten_script_or_group_does_not_double_anything() {
    let stage = stage().await;
    let items = batch(&running(&stage, 1).await, None);
    stage.raw(&["SCRIPT", "FLUSH"]);
    assert_eq!(stage.store.settle(&name("w"), &items).await.unwrap(), [Settled::Recorded]);
    let before = stage.story();
    assert_eq!(stage.store.settle(&name("w"), &[]).await.unwrap(), []);
    stage.raw(&["XGROUP", "DESTROY", MEDIUM, "workers"]);
    assert_eq!(stage.store.settle(&name("w"), &items).await.unwrap(), [Settled::Stale]);
    assert_eq!(stage.since(&before), NOTHING);
}
