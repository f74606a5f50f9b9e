//! Attempts that are stopped: at their timeout, at the deadline of their task, by a cancel, and those that cannot be.

use crate::doing::{Watch, handlers};
use crate::stage::{Stage, doings, eventually, patient, quick, slots, stage, submission, subtask};
use proto_schemas::{Priority, SubtaskDefinition};
use redis_store::submit::Submission;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use worker::{Config, WorkerError};

const STREAM: &str = "subtasks:default:medium";

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_too_long_is_tried_again() {
    let stage = stage().await;
    let short = SubtaskDefinition { timeout_ms: 100, backoff_base_ms: 1, ..subtask("do", &json!({})) };
    stage.submit("T", vec![short]).await;
    let slow_once = handlers(|ctx| async move {
        if ctx.attempt() == 1 {
            std::future::pending::<()>().await;
        }
        Ok(json!(ctx.attempt()))
    });
    let worker = stage.work(quick(), slow_once);
    eventually("a result", || stage.result("T-0").is_some()).await;
    assert_eq!(stage.result("T-0").expect("a result")["output"], 2);
    let retrying = stage.facts("retrying");
    assert_eq!((retrying.len(), retrying[0][8].as_str()), (1, "timeout"));
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_takes_its_thread_keeps_no_neighbour_from_its_limit() {
    let stage = stage().await;
    let waits = SubtaskDefinition { timeout_ms: 100, max_attempts: 1, ..subtask("do", &json!({})) };
    let blocks = SubtaskDefinition { priority: Priority::Low, ..subtask("do", &json!({})) };
    stage.submit("T", vec![waits, blocks]).await; // one read takes one of each priority
    let (release, has_ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (released, ended) = (release.clone(), has_ended.clone());
    let worker = stage.work(
        patient(4),
        handlers(move |ctx| {
            let (released, ended) = (released.clone(), ended.clone());
            async move {
                if ctx.priority() == Priority::Medium {
                    std::future::pending::<()>().await;
                }
                let until = Instant::now() + Duration::from_secs(20);
                while !released.load(Ordering::SeqCst) && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(5));
                }
                ended.store(true, Ordering::SeqCst);
                Ok(json!(null))
            }
        }),
    );
    eventually("the neighbour is stopped", || stage.facts("failed").len() == 1).await;
    assert!(!has_ended.load(Ordering::SeqCst), "only because the thread was free again");
    assert_eq!(stage.facts("failed")[0][8], "timeout");
    release.store(true, Ordering::SeqCst);
    eventually("the other goes on to its end", || stage.result("T-1").is_some()).await;
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_of_its_task_an_attempt_ends_as_cancelled() {
    let (stage, watch) = (stage().await, Watch::default());
    let worker = stage.work(slots(1), watch.hold());
    stage.idle(1).await;
    let deadline = Some(Duration::from_millis(600));
    let submitted_at = Instant::now();
    stage.submit_as(Submission { deadline, ..submission("T", doings(2, Priority::Medium)) }).await;
    eventually("both have ended", || stage.facts("cancelled").len() == 2).await;
    assert!(submitted_at.elapsed() >= Duration::from_millis(550));
    assert_eq!(watch.started().len(), 1, "the second had no time left to begin");
    assert!(stage.facts("cancelled").iter().all(|words| words[8] == "deadline"));
    let result = stage.result("T-0").expect("a result");
    assert_eq!((result["status"].as_str(), result["error"]["reason"].as_str()), (Some("cancelled"), Some("deadline")));
    assert_eq!((stage.facts("retrying").len(), stage.pending().len(), stage.backlog()), (0, 0, 0));
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_blocks_its_only_thread_hears_of_a_cancel() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    let (watching, heard) = (watch.clone(), Watch::default());
    let gate = heard.gate.clone();
    let blocking = handlers(move |ctx| {
        watching.note_start(&ctx);
        let gate = gate.clone();
        async move {
            let blocked_since = Instant::now();
            while !ctx.cancelled().is_cancelled() && blocked_since.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(5));
            }
            if ctx.cancelled().is_cancelled() {
                gate.cancel();
            }
            Ok(Value::Null)
        }
    });
    let worker = stage.work_apart(patient(1), blocking);
    eventually("it runs", || watch.started().len() == 1).await;
    stage.cancel("T").await;
    eventually("it has heard", || heard.gate.is_cancelled()).await;
    worker.shutdown.cancel();
    eventually("a clean end", || stage.consumers().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_handler_hears_of_a_cancel_within_a_second_and_its_slot_is_free() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    stage.submit("U", doings(1, Priority::Medium)).await;
    let heard = Watch::default();
    let (watching, gate) = (watch.clone(), heard.gate.clone());
    let told = handlers(move |ctx| {
        watching.note_start(&ctx);
        let (cancelled, gate) = (ctx.cancelled().clone(), gate.clone());
        async move {
            if ctx.task_id().as_str() == "T" {
                tokio::spawn(async move {
                    cancelled.cancelled().await;
                    gate.cancel();
                });
                std::future::pending::<()>().await;
            }
            Ok(Value::Null)
        }
    });
    let worker = stage.work(patient(1), told);
    eventually("it runs", || watch.started().len() == 1).await;
    stage.cancel("T").await;
    let cancelled_at = Instant::now();
    eventually("it has heard, and the next has its slot", || heard.gate.is_cancelled() && watch.started().len() == 2)
        .await;
    assert!(cancelled_at.elapsed() < Duration::from_secs(1), "{:?}", cancelled_at.elapsed());
    eventually("the other's result", || stage.result("U-0").is_some()).await;
    assert_eq!((stage.result("T-0"), stage.pending().len(), stage.backlog()), (None, 0, 0));
    assert_eq!((stage.facts("cancelled").len(), stage.facts("completed").len()), (1, 1), "only the cancel told of it");
    worker.stop().await.expect("a clean end");
}

/// Cancels a task that waits, beside so many others that were cancelled before; nothing of it may begin.
async fn cancelled_while_it_waits(others: usize) {
    let (stage, watch) = (stage().await, Watch::default());
    for other in 0..others {
        stage.redis.command(&["ZADD", "cancelled", "9999999999999", &format!("O{other}")]);
    }
    stage.submit("T", doings(30, Priority::Medium)).await;
    stage.submit("U", doings(2, Priority::Medium)).await;
    stage.cancel("T").await;
    let worker = stage.work(slots(8), watch.note());
    eventually("the others have run and nothing is left", || {
        stage.results("U", 2) == 2 && stage.backlog() == 0 && stage.pending().is_empty()
    })
    .await;
    let mut started = watch.started();
    started.sort();
    assert_eq!((started, stage.results("T", 30)), (vec!["U-0".to_owned(), "U-1".to_owned()], 0));
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_while_it_waited_does_not_begin() {
    cancelled_while_it_waits(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_does_not_begin_after_the_life_of_its_task() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(3, Priority::Medium)).await;
    stage.cancel("T").await;
    stage.redis.command(&["ZADD", "lifetimes", "1", "T"]);
    let task_id = "T".parse().expect("an id");
    assert_eq!(stage.store.expire(&task_id).await.expect("an answer"), redis_store::expire::Expired::Removed);
    assert_eq!(stage.backlog(), 3);
    let worker = stage.work(patient(1), watch.note());
    eventually("all are dropped", || stage.backlog() == 0).await;
    assert_eq!((watch.started(), stage.result("T-0")), (Vec::<String>::new(), None));
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_among_many_does_not_begin_either() {
    cancelled_while_it_waits(40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_fires_the_token_it_was_given_has_not_cancelled_its_subtask() {
    let stage = stage().await;
    stage.submit("T", doings(1, Priority::Medium)).await;
    let guarded = handlers(|ctx| async move {
        drop(ctx.cancelled().clone().drop_guard()); // what stops its helpers
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        Ok(Value::Null)
    });
    let worker = stage.work(patient(1), guarded);
    eventually("it has ended", || stage.backlog() == 0).await;
    assert_eq!((stage.facts("completed").len(), stage.facts("cancelled").len()), (1, 0));
    worker.stop().await.expect("a clean end");
}

/// The hint of a cancel as a replay finds it that began after the hint was read.
fn hint(stage: &Stage, task: &str) {
    stage.redis.command(&["ZADD", "cancelled", "9999999999999", task]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_without_a_record_stops_nothing_and_keeps_nothing_from_beginning() {
    let (stage, watch) = (stage().await, Watch::default());
    for task in ["T", "U"] {
        stage.submit(task, doings(1, Priority::Medium)).await;
    }
    hint(&stage, "V");
    stage.submit("V", doings(1, Priority::Medium)).await;
    let worker = stage.work(patient(4), watch.hold());
    eventually("all have begun", || watch.running() == 3).await;
    hint(&stage, "T");
    stage.cancel("U").await;
    eventually("what has a record was stopped", || watch.stopped().len() == 1).await;
    assert_eq!(watch.running(), 2);
    watch.gate.cancel();
    eventually("the others have ended", || stage.backlog() == 0).await;
    assert_eq!((stage.results("T", 1), stage.results("U", 1), stage.results("V", 1)), (1, 0, 1));
    assert_eq!((watch.started().len(), stage.facts("cancelled").len()), (3, 1));
    worker.stop().await.expect("a clean end");
}

static WEDGED_APART: AtomicUsize = AtomicUsize::new(0);

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_awaits_ends_its_worker_which_hands_everything_else_back() {
    let (stage, watch) = (stage().await, Watch::default());
    let endless = SubtaskDefinition { timeout_ms: 200, backoff_base_ms: 3_600_000, ..subtask("do", &json!({})) };
    stage.submit("N", doings(2, Priority::High)).await;
    let (neighbours, blocking) = (watch.clone(), Watch::default());
    let mixed = handlers(move |ctx| {
        neighbours.note_start(&ctx);
        let gate = blocking.gate.clone();
        async move {
            if ctx.task_id().as_str() == "T" {
                std::thread::sleep(Duration::from_secs(20)); // the only thread of its runtime
            }
            gate.cancelled().await;
            Ok(Value::Null)
        }
    });
    fn wedged() {
        WEDGED_APART.fetch_add(1, Ordering::SeqCst);
    }
    let _worker = stage.work_apart(Config { wedged, ..patient(4) }, mixed);
    eventually("its neighbours run", || watch.started().len() == 2).await;
    stage.submit("T", vec![endless]).await;
    let began_at = Instant::now();
    eventually("it blocks the worker", || watch.started().len() == 3).await;
    eventually("whoever embeds the worker was told", || WEDGED_APART.load(Ordering::SeqCst) == 1).await;
    let took = began_at.elapsed();
    assert!(took > Duration::from_secs(5) && took < Duration::from_secs(9), "{took:?}");
    let retrying = stage.facts("retrying");
    assert_eq!((retrying.len(), retrying[0][0].as_str(), retrying[0][8].as_str()), (1, "T", "timeout"));
    assert_eq!((stage.facts("returned").len(), stage.facts("crashed").len()), (2, 0));
    assert_eq!((stage.pending().len(), stage.backlog()), (0, 2));
    let waiting = stage.redis.command(&["ZRANGE", "delayed", "0", "-1"]);
    assert_eq!(waiting.items()[0].text(), "T-0");
}

static WEDGED: AtomicUsize = AtomicUsize::new(0);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wedged_worker_has_no_pulse_buries_a_last_attempt_and_ends_with_an_error() {
    let (stage, watch) = (stage().await, Watch::default());
    let last = SubtaskDefinition { timeout_ms: 100, max_attempts: 1, ..subtask("do", &json!({})) };
    stage.submit("T", vec![last]).await;
    fn wedged() {
        WEDGED.fetch_add(1, Ordering::SeqCst);
    }
    let worker = stage.work(Config { wedged, ..slots(4) }, watch.block(Duration::from_secs(12)));
    eventually("it was told", || WEDGED.load(Ordering::SeqCst) == 1).await;
    assert_eq!(stage.result("T-0").expect("a result")["error"]["reason"], "timeout");
    assert_eq!((stage.entries("dead-letters").len(), stage.pending().len(), stage.backlog()), (1, 0, 0));
    stage.submit("U", doings(1, Priority::Medium)).await;
    eventually("it has no pulse", || worker.pulse.age() > Duration::from_millis(1_500)).await;
    let ended = worker.ended().await;
    assert!(matches!(ended, Err(WorkerError::Thread(_))), "{ended:?}");
    assert_eq!((watch.started().len(), stage.entries(STREAM).len()), (1, 1), "it took nothing more");
}
