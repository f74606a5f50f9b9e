//! Several workers, and what each of them may take.

use crate::doing::Watch;
use crate::stage::{Pending, doings, eventually, quick, slots, stage};
use proto_schemas::Priority;
use std::collections::HashSet;
use std::time::Duration;
use worker::Config;

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_share_four_subtasks() {
    let (stage, watch) = (stage().await, Watch::default());
    let named = |name: &str| Config { worker_id: name.to_owned(), ..quick() };
    let workers: Vec<_> =
        ["a", "b", "c"].map(|name| stage.work(named(name), watch.take(Duration::from_millis(50)))).into();
    stage.idle(3).await;
    stage.submit("T", doings(4, Priority::Medium)).await;
    eventually("4 results", || stage.results("T", 4) == 4).await;
    let of = |index| stage.result(&format!("T-{index}")).expect("a result")["worker_id"].to_string();
    let ids: HashSet<String> = (0..4).map(of).collect();
    assert!(ids.len() >= 2, "one worker took all: {ids:?}");
    assert_eq!((stage.facts("completed").len(), watch.started().len()), (4, 4), "each ran once");
    for worker in workers {
        worker.stop().await.expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_one_slot_never_holds_two_entries() {
    let (stage, watch) = (stage().await, Watch::default());
    for priority in Priority::ALL {
        stage.submit(priority.as_str(), doings(20, *priority)).await;
    }
    let worker = stage.work(slots(1), watch.take(Duration::from_millis(2)));
    let (mut looks, mut held) = (0, 0);
    eventually("80 attempts", || {
        let pending = stage.pending();
        assert!(pending.len() <= 1, "leased beyond its slots: {pending:?}");
        (looks, held) = (looks + 1, held + pending.len());
        watch.started().len() >= 80
    })
    .await;
    assert!(looks > 20 && held > 5, "{looks} looks, {held} of them saw an entry");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_share_a_name_recover_each_others_work() {
    let (stage, watch) = (stage().await, Watch::default());
    let named = || Config { worker_id: "same".to_owned(), ..quick() };
    stage.submit("T", doings(1, Priority::Medium)).await;
    let doomed = stage.work_apart(named(), watch.hold());
    eventually("the first attempt", || watch.running() == 1).await;
    let [Pending { consumer: dead, .. }] = &stage.pending()[..] else { panic!("one entry is pending") };
    doomed.crash();

    let second = Watch::default();
    let worker = stage.work(named(), second.note());
    eventually("a result", || stage.result("T-0").is_some()).await;
    assert_eq!(stage.result("T-0").expect("a result")["worker_id"], "same");
    assert_eq!(second.started().len(), 1);
    let crashed = stage.facts("crashed");
    assert_eq!((crashed.len(), crashed[0][5].as_str()), (1, "1"), "a crash and no attempt is counted");
    assert_ne!(&stage.facts("completed")[0][6], dead, "another consumer");
    worker.stop().await.expect("a clean end");
}
