//! What happens at once: every entry is moved by exactly one of those who reach for it.

use crate::stage::{ADMISSION, MEDIUM, Stage, eventually, medium, name, settlement, stage, submission};
use proto_schemas::FactKind;
use redis_store::Store;
use redis_store::hand_back::{HandedBack, Unfinished};
use redis_store::reap::{ReapCursors, Reaped};
use redis_store::settle::Settled;
use redis_store::submit::Submitted;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;

const COUNT: usize = 60;

/// Reaps every lease to the end and adds up what was done.
async fn reap_all(store: Store, by: &'static str) -> Reaped {
    let (mut cursors, mut sum) = (ReapCursors::default(), Reaped::default());
    let queue = proto_schemas::QueueName::default_queue();
    loop {
        let reaped = store.reap(&name(by), &queue, Duration::ZERO, &mut cursors).await.expect("an answer");
        let Some(Reaped { returned, buried, malformed, ghosts }) = reaped else { return sum };
        sum.returned += returned;
        sum.buried += buried;
        sum.malformed += malformed;
        sum.ghosts += ghosts;
        if cursors.is_done() {
            return sum;
        }
    }
}

/// Everybody may run a round: the mark of who was first never ends.
async fn running(count: usize) -> Stage {
    let stage = stage().await;
    stage.submit("T", count).await;
    stage.fetch("w", count).await;
    stage.raw(&["SET", "maintenance:default", "someone"]);
    stage
}

/// How many live entries each subtask has.
fn live(stage: &Stage) -> BTreeMap<String, usize> {
    let mut live = BTreeMap::new();
    for entry in stage.raw(&["XRANGE", MEDIUM, "-", "+"]).items() {
        *live.entry(entry.items()[1].items()[5].text()).or_default() += 1;
    }
    live
}

#[tokio::test]
async fn the_second_caller_of_a_second_is_told_that_the_round_was_run() {
    let stage = stage().await;
    let (mut first, mut second) = (ReapCursors::default(), ReapCursors::default());
    let lease = Duration::from_secs(10);
    assert!(stage.store.reap(&name("a"), &stage.queue, lease, &mut first).await.unwrap().is_some());
    let before = stage.exact();
    assert_eq!(stage.store.reap(&name("b"), &stage.queue, lease, &mut second).await.unwrap(), None);
    assert_eq!(stage.exact(), before);
    assert_eq!(stage.raw(&["GET", "maintenance:default"]).text(), "a");
    let other = "gpu".parse().unwrap();
    assert!(stage.store.reap(&name("b"), &other, lease, &mut second).await.unwrap().is_some(), "one for each queue");
    stage.raw(&["DEL", "maintenance:default"]);
    assert!(stage.store.reap(&name("b"), &stage.queue, lease, &mut second).await.unwrap().is_some());
}

#[tokio::test]
async fn a_mark_that_never_ends_or_ends_in_a_year_or_is_none_does_not_stop_reaping() {
    let stage = stage().await;
    for (at, mark) in
        ["SET maintenance:default x", "SET maintenance:default x EX 31536000", "RPUSH maintenance:default x"]
            .into_iter()
            .enumerate()
    {
        stage.raw(&["DEL", "maintenance:default"]);
        stage.raw(&mark.split(' ').collect::<Vec<_>>());
        stage.submit(&format!("T{at}"), 1).await;
        stage.fetch("w", 1).await;
        let cursors = &mut ReapCursors::default();
        let reaped = stage.store.reap(&name("r"), &stage.queue, Duration::ZERO, cursors).await.unwrap();
        assert_eq!(reaped, Some(Reaped { returned: 1, ..Reaped::default() }), "{mark:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_are_forgotten_again_and_again_run_once_each() {
    let stage = stage().await;
    let mut senders = JoinSet::new();
    for sender in 0..4 {
        let store = stage.store.clone();
        senders.spawn(async move {
            for task in 0..50 {
                let order = submission(&format!("T{sender}.{task}"), 2);
                assert_eq!(store.submit(&order, ADMISSION).await.expect("an answer"), Submitted::Created);
            }
        });
    }
    while !senders.is_empty() {
        stage.raw(&["SCRIPT", "FLUSH"]);
        while let Some(done) = senders.try_join_next() {
            done.unwrap();
        }
        tokio::task::yield_now().await;
    }
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.facts().len()), (400, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reapers_at_once_move_each_entry_once() {
    let stage = running(COUNT).await;
    let mut reapers = JoinSet::new();
    for _ in 0..6 {
        reapers.spawn(reap_all(stage.store.connect_again(), "r"));
    }
    let sums = reapers.join_all().await;
    assert_eq!(sums.iter().map(|sum| sum.returned).sum::<u64>(), COUNT as u64);
    assert_eq!(live(&stage).values().max(), Some(&1));
    let crashed = stage.facts().iter().filter(|line| line.contains(" crashed 1 1 ")).count();
    assert_eq!((crashed, live(&stage).len()), (COUNT, COUNT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settling_while_it_is_reaped_ends_in_exactly_one_of_both() {
    for round in 1..=5 {
        let stage = running(COUNT).await;
        let fetched = stage.store.fetch_unanswered(&name("w"), &medium(), COUNT, "0").await.unwrap();
        let (front, back) = (stage.store.connect_again(), stage.store.connect_again());
        assert!(back.wait_connected(Duration::from_secs(5)).await);
        let settling = tokio::spawn(async move {
            let mut answers = Vec::new();
            for one in &fetched {
                let item = settlement(one, "w", FactKind::Completed, Some("1"));
                answers.extend(front.settle(&name("w"), &[item]).await.expect("answers"));
            }
            answers
        });
        let left = (COUNT - 8 * round) as i64;
        let some_settled = async || stage.raw(&["XLEN", MEDIUM]).integer() <= left;
        eventually(Duration::from_secs(10), "some are settled", some_settled).await;
        let moved = reap_all(back, "r").await.returned as usize;
        let answers = settling.await.unwrap();
        let settled = answers.iter().filter(|answer| **answer == Settled::Recorded).count();
        assert_eq!(settled + moved, COUNT);
        assert_eq!((live(&stage).len(), live(&stage).values().max().copied().unwrap_or(1)), (moved, 1));
        let told = |word: &str| stage.facts().iter().filter(|line| line.contains(word)).count();
        assert_eq!((told(" completed "), told(" crashed ")), (settled, moved));
        assert!(settled > 0, "it was to win now and then");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handing_back_while_it_is_settled_ends_in_exactly_one_of_both() {
    let stage = running(COUNT).await;
    let pending = stage.store.fetch_unanswered(&name("w"), &medium(), COUNT, "0").await.unwrap();
    let (front, back) = (stage.store.connect_again(), stage.store.connect_again());
    let items: Vec<_> = pending.iter().map(|one| settlement(one, "w", FactKind::Completed, None)).collect();
    let unfinished: Vec<Unfinished> = pending.iter().rev().map(Unfinished::from).collect();
    let settling = tokio::spawn(async move {
        let mut answers = Vec::new();
        for item in items.chunks(3) {
            answers.extend(front.settle(&name("w"), item).await.expect("answers"));
        }
        answers
    });
    let mut handed_back = Vec::new();
    for chunk in unfinished.chunks(3) {
        handed_back.extend(back.hand_back(&name("w"), &medium(), chunk).await.unwrap());
    }
    handed_back.reverse();
    for (settled, returned) in settling.await.unwrap().iter().zip(&handed_back) {
        assert_ne!(*settled == Settled::Recorded, *returned == HandedBack::Returned);
    }
    assert_eq!(live(&stage).len(), handed_back.iter().filter(|answer| **answer == HandedBack::Returned).count());
}
