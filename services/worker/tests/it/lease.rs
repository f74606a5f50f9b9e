//! The right to an attempt: kept while it runs, lost when it is taken away, given up before anyone else may begin.

use crate::doing::{Watch, elsewhere, handlers};
use crate::stage::{Stage, connect, doings, eventually, slots, stage, subtask};
use proto_schemas::{Priority, SubtaskDefinition};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use telemetry::Pulse;
use tokio_util::sync::CancellationToken;
use worker::Config;

const STREAM: &str = "subtasks:default:medium";

fn leased_for(lease: Duration) -> Config {
    Config { lease, ..slots(4) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subtask_of_ten_leases_runs_once() {
    let (stage, watch) = (stage().await, Watch::default());
    let lease = Duration::from_millis(600);
    stage.submit("T", doings(2, Priority::Medium)).await;
    let workers = [0, 1].map(|_| stage.work(leased_for(lease), watch.take(lease * 10)));
    eventually("2 results", || stage.results("T", 2) == 2).await;
    assert_eq!((watch.started().len(), stage.facts("crashed").len()), (2, 0));
    for worker in workers {
        worker.stop().await.expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_blocks_every_thread_of_its_runtime_keeps_its_lease() {
    let (stage, watch, other) = (stage().await, Watch::default(), Watch::default());
    let lease = Duration::from_millis(600);
    stage.submit("T", doings(1, Priority::Medium)).await;
    let blocking = stage.work_apart(leased_for(lease), watch.block(lease * 10));
    eventually("its only thread is blocked", || watch.running() == 1).await;
    let reaping = stage.work(leased_for(lease), other.note());
    eventually("a result", || stage.results("T", 1) == 1).await;
    assert_eq!((watch.started().len(), other.started().len(), stage.facts("crashed").len()), (1, 0, 0));
    reaping.stop().await.expect("a clean end");
    blocking.shutdown.cancel();
    eventually("a clean end", || stage.consumers().is_empty()).await;
}

/// Takes the one entry that is pending out of its worker's hands, as an operator would, and forgets it.
fn take_away(stage: &Stage, claim_first: bool) {
    let entry_id = stage.pending()[0].entry_id.clone();
    if claim_first {
        stage.redis.command(&["XCLAIM", STREAM, "workers", "thief", "0", &entry_id]);
    }
    assert_eq!(stage.redis.command(&["XACK", STREAM, "workers", &entry_id]).integer(), 1);
    assert_eq!(stage.redis.command(&["XDEL", STREAM, &entry_id]).integer(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_taken_away_stops_the_attempt_which_writes_nothing_and_frees_its_slot() {
    for claim_first in [false, true] {
        let (stage, watch) = (stage().await, Watch::default());
        stage.submit("T", doings(2, Priority::Medium)).await;
        let worker = stage.work(slots(1), watch.hold());
        eventually("the first runs", || watch.running() == 1).await;
        take_away(&stage, claim_first);
        eventually("it was stopped", || watch.stopped().len() == 1).await;
        eventually("its slot runs the next", || watch.started().len() == 2).await;
        watch.gate.cancel();
        eventually("a result", || stage.result("T-1").is_some()).await;
        assert_eq!((stage.result("T-0"), stage.facts("completed").len(), stage.facts("failed").len()), (None, 1, 0));
        worker.stop().await.expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_awaits_can_see_that_its_lease_is_gone() {
    let (stage, watch, seen) = (stage().await, Watch::default(), Arc::new(AtomicBool::new(false)));
    stage.submit("T", doings(1, Priority::Medium)).await;
    let (told, started) = (seen.clone(), watch.clone());
    let polling = handlers(move |ctx| {
        started.note_start(&ctx);
        let told = told.clone();
        async move {
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline && !ctx.cancelled().is_cancelled() {
                std::thread::sleep(Duration::from_millis(5));
            }
            told.store(ctx.cancelled().is_cancelled(), Ordering::SeqCst);
            Ok(Value::Null)
        }
    });
    let worker = stage.work_apart(slots(1), polling);
    eventually("it runs", || watch.started().len() == 1).await;
    take_away(&stage, false);
    eventually("it has seen it", || seen.load(Ordering::SeqCst)).await;
    worker.shutdown.cancel();
    eventually("a clean end", || stage.consumers().is_empty()).await;
    assert_eq!((stage.result("T-0"), stage.facts("completed").len()), (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_redis_is_frozen_every_attempt_stops_before_its_lease_is_over() {
    let (stage, watch) = (stage().await, Watch::default());
    let lease = Duration::from_secs(4);
    let of = |priority| SubtaskDefinition { priority, ..doings(1, Priority::Medium).remove(0) };
    stage.submit("T", Priority::ALL.iter().copied().map(of).collect()).await;
    let worker = stage.work(Config { lease, ..slots(8) }, watch.hold());
    eventually("one of each priority runs", || watch.running() == 4).await;
    // Long enough for renewals to be under way, so that the freeze does not begin with fresh leases only.
    let running_since = Instant::now();
    eventually("a lease has passed", || running_since.elapsed() > lease).await;
    let frozen_at = Instant::now();
    stage.signal("-STOP");
    eventually("all were stopped", || watch.stopped().len() == 4).await;
    let latest = watch.stopped().into_iter().max().expect("4 ends") - frozen_at;
    stage.signal("-CONT");
    assert!(latest < lease, "the last one stopped {latest:?} after the freeze");
    watch.gate.cancel();
    eventually("4 results", || stage.results("T", 4) == 4).await;
    assert_eq!(stage.facts("completed").len(), 4);
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_left_is_added_again_with_one_crash() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    stage.store.create_worker_groups(&proto_schemas::QueueName::default_queue()).await.expect("groups");
    let dead = ["XREADGROUP", "GROUP", "workers", "dead", "STREAMS", STREAM, ">"];
    assert_eq!(stage.redis.command(&dead).items().len(), 1);
    let worker = stage.work(slots(1), watch.note());
    eventually("a result", || stage.result("T-0").is_some()).await;
    assert_eq!((stage.facts("crashed").len(), stage.facts("completed")[0][5].as_str()), (1, "1"));
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_queues_trouble_does_not_keep_another_queues_work_from_coming_back() {
    let stage = stage().await;
    let other = "other".parse().expect("a queue");
    stage.submit("T", vec![SubtaskDefinition { queue: other, ..subtask("elsewhere", &Value::Null) }]).await;
    stage.store.create_worker_groups(&"other".parse().expect("a queue")).await.expect("groups");
    let dead = ["XREADGROUP", "GROUP", "workers", "dead", "STREAMS", "subtasks:other:medium", ">"];
    assert_eq!(stage.redis.command(&dead).items().len(), 1);
    stage.redis.command(&["SET", "subtasks:default:low", "a person was here"]);
    let both = Watch::default().note().with(elsewhere(|_| async { Ok(Value::Null) }));
    let worker = stage.work(slots(1), both);
    eventually("a result", || stage.result("T-0").is_some()).await;
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumers_of_the_dead_are_collected_from_every_queue_in_use() {
    let stage = stage().await;
    let other = "other".parse().expect("a queue");
    stage.submit("T", vec![SubtaskDefinition { queue: other, ..subtask("elsewhere", &Value::Null) }]).await;
    stage.store.create_worker_groups(&"other".parse().expect("a queue")).await.expect("groups");
    let stream = "subtasks:other:high";
    stage.redis.command(&["XGROUP", "CREATECONSUMER", stream, "workers", "dead"]);
    stage.redis.command(&["ZADD", "workers", "1", "dead"]); // its last heartbeat, long ago
    let worker = stage.work(slots(1), Watch::default().note());
    eventually("it is forgotten", || !stage.consumers().contains(&"dead".to_owned())).await;
    assert!(stage.redis.command(&["XINFO", "CONSUMERS", stream, "workers"]).items().is_empty());
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_a_worker_loses_by_being_dropped_is_run_by_another() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    let store = connect(&stage.redis);
    let dropped = worker::run(slots(1), watch.hold(), store, Pulse::default(), CancellationToken::new());
    tokio::select! {
        _ = dropped => panic!("nobody told it to end"),
        () = eventually("it runs", || watch.running() == 1) => {}
    }
    eventually("its attempt was stopped", || watch.running() == 0).await;
    let worker = stage.work(slots(1), Watch::default().note());
    eventually("a result", || stage.result("T-0").is_some()).await;
    worker.stop().await.expect("a clean end");
    assert!(stage.pending().is_empty());
}
