//! What workers have died with runs alone.

use crate::doing::{Watch, handlers};
use crate::stage::{Running, Stage, doings, eventually, patient, slots, stage};
use proto_schemas::Priority;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use worker::Handlers;

const STREAM: &str = "subtasks:default:medium";

fn add_suspect(stage: &Stage, subtask_id: &str) {
    let task_id = subtask_id.split('-').next().expect("a task");
    let fields = ["task_id", task_id, "subtask_id", subtask_id, "description", "d", "kind", "do", "crashes", "2"];
    stage.redis.command(&[&["XADD", STREAM, "*"], &fields[..]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kills_its_workers_is_buried_after_it_ran_alone_and_its_neighbours_survive() {
    let (stage, watch, neighbours) = (stage().await, Watch::default(), Arc::new(AtomicUsize::new(0)));
    stage.submit("K", doings(1, Priority::Medium)).await;
    stage.submit("N", doings(3, Priority::Medium)).await;
    let deadly = || {
        let (watch, neighbours) = (watch.clone(), neighbours.clone());
        handlers(move |ctx| {
            watch.note_start(&ctx);
            let neighbours = neighbours.clone();
            async move {
                if ctx.task_id().as_str() == "K" {
                    std::future::pending::<()>().await; // until the test kills its worker
                }
                neighbours.fetch_add(1, Ordering::SeqCst);
                let work = if ctx.crashes() < 2 { Duration::from_secs(60) } else { Duration::from_millis(50) };
                tokio::time::sleep(work).await;
                neighbours.fetch_sub(1, Ordering::SeqCst);
                Ok(Value::Null)
            }
        })
    };
    for death in 1..=3 {
        let doomed = stage.work_apart(slots(4), deadly());
        let killer_starts = || watch.started().iter().filter(|id| *id == "K-0").count();
        eventually("the killer runs", || killer_starts() == death).await;
        if death < 3 {
            eventually("its neighbours run beside it", || neighbours.load(Ordering::SeqCst) == 3).await;
        } else {
            assert_eq!(neighbours.load(Ordering::SeqCst), 0, "it is alone");
            let row = stage.redis.command(&["XPENDING", STREAM, "workers", "-", "+", "10"]);
            assert!(row.items().iter().any(|row| row.items()[3].integer() >= 1_000), "{row:?}");
        }
        doomed.crash();
        neighbours.store(0, Ordering::SeqCst);
    }
    let worker = stage.work(slots(4), deadly());
    eventually("the neighbours have completed", || stage.results("N", 3) == 3).await;
    eventually("the killer is buried", || stage.entries("dead-letters").len() == 1).await;
    let letter = &stage.entries("dead-letters")[0].1;
    let texts: Vec<String> = letter.iter().map(system_tests::redis::Reply::text).collect();
    assert!(texts[1] == "crashes" && texts.contains(&"K-0".to_owned()), "{texts:?}");
    assert_eq!((stage.facts("failed").len(), stage.facts("failed")[0][5].as_str()), (1, "3"));
    worker.stop().await.expect("a clean end");
    assert_eq!((stage.pending().len(), stage.backlog()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_are_to_run_alone_do_so_one_after_the_other() {
    let (stage, watch) = (stage().await, Watch::default());
    add_suspect(&stage, "S-0");
    add_suspect(&stage, "S-1");
    stage.submit("N", doings(1, Priority::Medium)).await;
    let worker = stage.work(patient(2), watch.take(Duration::from_millis(300)));
    let mut most = 0;
    eventually("3 results", || {
        most = most.max(watch.running());
        stage.results("S", 2) + stage.results("N", 1) == 3
    })
    .await;
    assert_eq!(most, 1, "never two at once");
    worker.stop().await.expect("a clean end");
}

/// Holds what is to run alone until the gate of `watch` opens; all else ends at once.
fn holding_suspects(watch: &Watch) -> Handlers {
    let (noting, gate) = (watch.clone(), watch.gate.clone());
    handlers(move |ctx| {
        noting.note_start(&ctx);
        let gate = gate.clone();
        async move {
            if ctx.crashes() >= 2 {
                gate.cancelled().await;
            }
            Ok(Value::Null)
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_of_a_fleet_makes_room_and_the_others_go_on() {
    let (stage, watch, other) = (stage().await, Watch::default(), Watch::default());
    add_suspect(&stage, "S-0");
    let lonely = stage.work(patient(2), holding_suspects(&watch));
    eventually("one runs alone", || watch.started().len() == 1).await;
    add_suspect(&stage, "S-1");
    let worker = stage.work(patient(2), holding_suspects(&other));
    eventually("the other has the next", || stage.pending().len() == 2).await;
    stage.submit("N", doings(6, Priority::Medium)).await;
    eventually("all else has run", || stage.results("N", 6) == 6).await;
    assert!(other.started().iter().all(|id| id.starts_with("N-")), "it waits for the first: {:?}", other.started());
    assert_eq!(watch.started().len(), 1);
    watch.gate.cancel();
    eventually("the next begins, long before a lease has passed", || other.started().len() == 7).await;
    other.gate.cancel();
    eventually("both have run", || stage.results("S", 2) == 2).await;
    assert_eq!((stage.facts("returned").len(), stage.facts("crashed").len()), (0, 0));
    worker.stop().await.expect("a clean end");
    lonely.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_of_another_that_runs_alone_goes_to_a_worker_that_is_idle() {
    let (stage, watch, idle) = (stage().await, Watch::default(), Watch::default());
    stage.redis.command(&["SET", "maintenance:@alone", "somebody"]);
    add_suspect(&stage, "S-0");
    add_suspect(&stage, "S-1");
    let busy = stage.work(patient(2), holding_suspects(&watch));
    eventually("both wait in one worker", || stage.pending().len() == 2).await;
    stage.redis.command(&["DEL", "maintenance:@alone"]);
    eventually("one runs alone, the other was handed back", || stage.facts("returned").len() == 1).await;
    eventually("one runs alone", || watch.started().len() == 1).await;
    stage.redis.command(&["DEL", "maintenance:@alone"]); // as if a lease had passed
    let worker = stage.work(patient(2), holding_suspects(&idle));
    eventually("the idle one runs it", || idle.started().len() == 1).await;
    watch.gate.cancel();
    idle.gate.cancel();
    eventually("both have run", || stage.results("S", 2) == 2).await;
    assert_eq!((watch.started().len(), stage.facts("crashed").len()), (1, 0));
    worker.stop().await.expect("a clean end");
    busy.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_may_finish_and_is_handed_back_after_ten_seconds_and_nothing_new_is_taken() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("N", doings(1, Priority::Medium)).await;
    let (noting, gate) = (watch.clone(), watch.gate.clone());
    let mixed = handlers(move |ctx| {
        noting.note_start(&ctx);
        let gate = gate.clone();
        async move {
            if ctx.task_id().as_str() == "N" {
                gate.cancelled().await;
            }
            Ok(Value::Null)
        }
    });
    let worker = stage.work(patient(4), mixed);
    eventually("a neighbour runs", || watch.started().len() == 1).await;
    add_suspect(&stage, "S-0");
    let makes_room = || stage.redis.command(&["EXISTS", "maintenance:@alone"]).integer() == 1;
    eventually("room is made for the suspect", || stage.pending().len() == 2 && makes_room()).await;
    let since = Instant::now();
    stage.submit("U", doings(1, Priority::High)).await;
    eventually("it has run", || stage.result("S-0").is_some()).await;
    assert!(since.elapsed() > Duration::from_secs(8), "the rest had its time: {:?}", since.elapsed());
    assert_eq!(watch.started()[..2], ["N-0", "S-0"], "nothing was taken meanwhile");
    let returned = stage.facts("returned");
    assert_eq!((returned.len(), returned[0][0].as_str(), stage.facts("crashed").len()), (1, "N", 0));
    watch.gate.cancel();
    eventually("all have run", || stage.results("N", 1) + stage.results("U", 1) == 2).await;
    worker.stop().await.expect("a clean end");
}

/// A worker in which a neighbour runs until the gate of `watch` opens, and a suspect waits for it to end.
async fn beside_a_neighbour(stage: &Stage, watch: &Watch) -> Running {
    stage.submit("N", doings(1, Priority::Medium)).await;
    let worker = stage.work(patient(4), watch.hold());
    eventually("a neighbour runs", || watch.running() == 1).await;
    add_suspect(stage, "S-0");
    eventually("the suspect waits", || stage.pending().len() == 2).await;
    worker
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_while_it_waits_to_run_alone_does_not_begin() {
    let (stage, watch) = (stage().await, Watch::default());
    let worker = beside_a_neighbour(&stage, &watch).await;
    let since = Instant::now();
    eventually("it has waited", || since.elapsed() > Duration::from_millis(600)).await;
    stage.redis.command(&["HSET", "outcomes:S", "0", "cancelled 0 0 5"]);
    stage.redis.command(&["ZADD", "cancelled", "9999999999999", "S"]);
    watch.gate.cancel();
    eventually("nothing is left", || stage.backlog() == 0).await;
    assert_eq!((watch.started(), stage.results("N", 1)), (vec!["N-0".to_owned()], 1));
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_hands_back_what_waits_to_run_alone() {
    let (stage, watch) = (stage().await, Watch::default());
    let worker = beside_a_neighbour(&stage, &watch).await;
    worker.shutdown.cancel();
    watch.gate.cancel(); // now every slot is free, and it is too late to begin
    worker.ended().await.expect("a clean end");
    assert_eq!((watch.started(), stage.results("N", 1)), (vec!["N-0".to_owned()], 1));
    assert_eq!((stage.facts("returned").len(), stage.pending().len(), stage.backlog()), (1, 0, 1));
}
