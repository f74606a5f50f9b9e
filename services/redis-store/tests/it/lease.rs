//! Leasing work, waiting at the bell, keeping leases.

use crate::stage::{MEDIUM, medium, name, settlement, stage};
use proto_schemas::{EntryError, FactKind, Priority};
use redis_store::{StoreError, Stream};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_read_leases_at_most_its_count_of_each_stream_in_order_and_nothing_twice() {
    let stage = stage().await;
    stage.submit("T", 5).await;
    let fields = ["task_id", "U", "subtask_id", "U-0", "description", "d"];
    stage.raw(&[&["XADD", "subtasks:default:critical", "*"][..], &fields].concat());
    let fetched = stage.fetch("w", 3).await;
    let seen: Vec<(Priority, String)> =
        fetched.iter().map(|one| (one.stream.priority, one.entry.as_ref().unwrap().subtask_id.to_string())).collect();
    let medium = |index: u32| (Priority::Medium, format!("T-{index}"));
    assert_eq!(seen, [(Priority::Critical, "U-0".to_owned()), medium(0), medium(1), medium(2)]);
    assert_eq!((stage.fetch("v", 3).await.len(), stage.fetch("w", 3).await.len()), (2, 0));
    let pending = stage.store.pending_page(&super::stage::medium(), "-", 9).await.unwrap();
    let holders: Vec<&str> = pending.iter().map(|one| one.consumer.as_str()).collect();
    assert_eq!(holders, ["w", "w", "w", "v", "v"]);
    let next = stage.store.pending_page(&super::stage::medium(), &pending[3].entry_id, 9).await.unwrap();
    assert_eq!((next.len(), &next[0].entry_id), (1, &pending[4].entry_id));
}

#[tokio::test]
async fn an_entry_that_cannot_be_run_is_fetched_with_its_verdict() {
    let stage = stage().await;
    stage.raw(&[b"XADD", MEDIUM.as_bytes(), b"*", b"\xff", b"\x00"]);
    stage.raw(&["XADD", MEDIUM, "*", "v", "9", "task_id", "?"]);
    let fetched = stage.fetch("w", 9).await;
    assert_eq!(fetched[0].entry, Err(EntryError::Missing("subtask_id")));
    assert_eq!(fetched[1].entry, Err(EntryError::Newer(9)));
}

#[tokio::test]
async fn what_a_lost_reply_left_pending_is_found_page_by_page_without_deleted_entries() {
    let stage = stage().await;
    stage.submit("T", 4).await;
    let fetched = stage.fetch("w", 4).await;
    stage.raw(&["XDEL", MEDIUM, &fetched[1].entry_id]);
    let page = stage.store.fetch_unanswered(&name("w"), &medium(), 3, "0").await.unwrap();
    assert_eq!(page.iter().map(|one| &one.entry_id).collect::<Vec<_>>(), [&fetched[0].entry_id, &fetched[2].entry_id]);
    let page = stage.store.fetch_unanswered(&name("w"), &medium(), 3, &page[1].entry_id).await.unwrap();
    assert_eq!(page[0].entry_id, fetched[3].entry_id);
    assert_eq!(stage.store.fetch_unanswered(&name("v"), &medium(), 3, "0").await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_missing_group_is_named_and_made_anew_from_the_first_entry_on() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    stage.fetch("w", 1).await;
    stage.raw(&["XGROUP", "DESTROY", MEDIUM, "workers"]);
    let answer = stage.store.fetch(&name("w"), &Stream::of(&stage.queue), 9).await;
    assert!(matches!(answer, Err(StoreError::NoGroup(_))), "{answer:?}");
    let renewed = stage.store.renew(&name("w"), &medium(), &["1-1".to_owned()]).await;
    assert!(matches!(renewed, Err(StoreError::NoGroup(_))), "{renewed:?}");
    for _ in 0..2 {
        stage.store.create_worker_groups(&stage.queue).await.unwrap();
    }
    assert_eq!(stage.fetch("v", 9).await.len(), 2, "also what was never acknowledged");
}

#[tokio::test]
async fn what_runs_for_long_pins_a_node_of_its_stream_and_no_more() {
    let stage = stage().await;
    let bytes = || stage.raw(&["MEMORY", "USAGE", MEDIUM, "SAMPLES", "0"]).integer();
    stage.submit("warm-up", 1).await;
    let one = stage.fetch("w", 1).await;
    stage.store.settle(&name("w"), &[settlement(&one[0], "w", FactKind::Completed, None)]).await.unwrap();
    let empty = bytes();
    for task in ["A", "B"] {
        stage.submit(task, 1_000).await;
    }
    let (long, short): (Vec<_>, Vec<_>) =
        stage.fetch("w", 2_000).await.into_iter().enumerate().partition(|(at, _)| at % 100 == 50);
    for (_, fetched) in &short {
        stage.store.settle(&name("w"), &[settlement(fetched, "w", FactKind::Completed, None)]).await.unwrap();
    }
    let ids: Vec<String> = long.iter().map(|(_, fetched)| fetched.entry_id.clone()).collect();
    for _ in 0..10 {
        assert_eq!(stage.store.renew(&name("w"), &medium(), &ids).await.unwrap().len(), 20);
    }
    let each = (bytes() - empty) / 20;
    // A node holds 4,096 bytes (`stream-node-max-bytes`), for which the allocator takes 5,120; the group's books come
    // on top.
    assert!(each <= 6_000, "{each} bytes for each of 20 entries that run on, of 2,000");
    for (_, fetched) in &long {
        stage.store.settle(&name("w"), &[settlement(fetched, "w", FactKind::Completed, None)]).await.unwrap();
    }
    assert!(bytes() <= empty + 1_000, "{} bytes, and {empty} before", bytes());
}

#[tokio::test]
async fn a_renewed_lease_is_young_again_and_a_lost_one_is_not_answered() {
    let stage = stage().await;
    stage.submit("T", 3).await;
    let ids: Vec<String> = stage.fetch("w", 3).await.into_iter().map(|one| one.entry_id).collect();
    stage.raw(&["XCLAIM", MEDIUM, "workers", "w", "0", &ids[0], &ids[1], &ids[2], "IDLE", "60000", "JUSTID"]);
    stage.raw(&["XACK", MEDIUM, "workers", &ids[1]]);
    for _ in 0..2 {
        let kept = stage.store.renew(&name("w"), &medium(), &ids).await.unwrap();
        assert_eq!(kept, [ids[0].clone(), ids[2].clone()].into());
        assert_eq!(stage.store.pending_among(&name("w"), &medium(), &ids).await.unwrap(), kept);
        assert!(stage.store.pending_among(&name("other"), &medium(), &ids).await.unwrap().is_empty());
    }
    let pending = stage.store.pending_page(&medium(), "-", 9).await.unwrap();
    assert!(pending.len() == 2 && pending.iter().all(|one| one.idle_ms < 30_000), "{pending:?}");
    let mut cursors = Default::default();
    stage.store.reap(&name("r"), &stage.queue, Duration::ZERO, &mut cursors).await.unwrap();
    assert!(stage.store.renew(&name("w"), &medium(), &ids).await.unwrap().is_empty(), "reaped is lost");
    stage.raw(&["XGROUP", "DESTROY", MEDIUM, "workers"]);
    assert!(stage.store.pending_among(&name("w"), &medium(), &ids).await.unwrap().is_empty(), "without its group too");
}

#[tokio::test]
async fn the_bell_wakes_one_waiter_for_each_token_and_ends_a_wait_in_time() {
    let stage = stage().await;
    let queues = [stage.queue.clone(), "gpu".parse().unwrap()];
    let bell = stage.store.connect_again();
    assert!(bell.wait_connected(Duration::from_secs(5)).await);
    for limit in [Duration::ZERO, Duration::from_millis(30)] {
        let begun = Instant::now();
        assert!(!bell.wait_bell(&queues, limit).await.unwrap());
        assert!(begun.elapsed() < Duration::from_secs(2), "{limit:?}");
    }
    let waiting = tokio::spawn(async move { bell.wait_bell(&queues, Duration::from_secs(20)).await.unwrap() });
    stage.submit("T", 3).await;
    assert!(waiting.await.unwrap());
    assert_eq!(stage.raw(&["LLEN", "bell:default"]).integer(), 2);
    stage.store.hush_bell(&stage.queue).await.unwrap();
    assert_eq!(stage.raw(&["EXISTS", "bell:default"]).integer(), 0);
    stage.store.ring_bell(&stage.queue).await.unwrap();
    assert_eq!(stage.raw(&["LLEN", "bell:default"]).integer(), 1);
}

#[tokio::test]
async fn the_lease_of_the_first_worker_holds_for_all() {
    let stage = stage().await;
    assert_eq!(stage.store.agree_on_lease(Duration::from_millis(1_500)).await.unwrap(), 1_500);
    assert_eq!(stage.store.agree_on_lease(Duration::from_secs(10)).await.unwrap(), 1_500);
    assert_eq!(stage.raw(&["HGET", "meta", "lease_ms"]).text(), "1500");
}

#[tokio::test]
async fn a_key_of_another_type_keeps_no_other_stream_from_its_group() {
    let stage = stage().await;
    let priorities = ["critical", "high", "medium", "low"].map(|priority| format!("subtasks:default:{priority}"));
    for odd in &priorities {
        stage.raw(&["FLUSHALL"]);
        stage.raw(&["SET", odd, "of another type"]);
        let answer = stage.store.create_worker_groups(&stage.queue).await;
        assert!(matches!(answer, Err(redis_store::StoreError::WrongType(_))), "{odd}: {answer:?}");
        for stream in priorities.iter().filter(|stream| *stream != odd) {
            assert_eq!(stage.raw(&["XINFO", "GROUPS", stream]).items().len(), 1, "{odd} keeps {stream}");
        }
    }
}
