//! What the cancelled tasks of others cost a worker: nothing while they are few, one question for each batch when they
//! are many. What runs is asked for every half second besides.

use crate::doing::Watch;
use crate::stage::{Stage, doings, eventually, patient, stage};
use proto_schemas::Priority;

/// With one slot each is a batch of its own.
const SUBTASKS: usize = 100;

/// How often the worker has asked for tasks by their names.
fn questions(stage: &Stage) -> usize {
    let stats = stage.redis.command(&["INFO", "commandstats"]).text();
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_zmscore:calls="));
    calls.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
}

async fn run_beside(hints: usize) -> usize {
    let (stage, watch) = (stage().await, Watch::default());
    for hint in 0..hints {
        stage.redis.command(&["ZADD", "cancelled", "9000000000000", &format!("other-{hint}")]);
    }
    stage.submit("T", doings(SUBTASKS, Priority::Medium)).await;
    let worker = stage.work(patient(1), watch.note());
    eventually("every result", || stage.results("T", SUBTASKS) == SUBTASKS).await;
    worker.stop().await.expect("a clean end");
    questions(&stage)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_cancelled_tasks_of_others_cost_no_question() {
    let asked = run_beside(32).await;
    assert!(asked < SUBTASKS / 4, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_many_cancelled_tasks_it_asks_about_its_own() {
    let asked = run_beside(33).await;
    assert!(asked > SUBTASKS / 2, "{asked}");
}
