//! The deadline of a task that runs again.

use crate::stage::{ADMISSION, MEDIUM, Stage, name, plan, stage, task_id};
use proto_schemas::WorkEntry;
use redis_store::requeue::{RequeueItem, RequeueOrder, Requeued};
use redis_store::submit::Submission;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// A task of two, the second after the first, of which both failed or only the first, with continue between them.
async fn failed(deadline: Option<Duration>, facts: &str) -> (Stage, Submission) {
    let stage = stage().await;
    let order = Submission { deadline, ..plan("T", &["", "0:continue"]) };
    stage.accept(&order).await;
    stage.running().await;
    stage.fold(&[facts]).await;
    stage.running().await;
    (stage, order)
}

const BOTH: &str = "T 0 0 failed 1 0 w 5\nT 1 0 failed 1 0 w 5";
const FIRST: &str = "T 0 0 failed 1 0 w 5";

async fn requeue(stage: &Stage, order: &Submission, indexes: &[u32]) {
    let task_id = task_id("T");
    let item = |&index: &u32| {
        let definition = &order.subtasks[index as usize];
        let entry = definition.first_attempt(&task_id, index).expect("an entry");
        let entry = WorkEntry { deadline_ms: Some(5), ..entry };
        RequeueItem { entry, generation: 0, definition, edges: String::new() }
    };
    let items = indexes.iter().map(item).collect();
    let order = RequeueOrder { task_id: &task_id, deadline: HOUR, items, dead_letter: None };
    assert_eq!(stage.store.requeue(&name("api"), &order).await.expect("an answer"), Requeued::Requeued);
}

/// The deadline as the hash has it, which `lifetimes` has to agree with.
fn deadline_at(stage: &Stage) -> u64 {
    let deadline = stage.task("T", "deadline_at").parse().expect("a time");
    assert_eq!(stage.raw(&["ZSCORE", "lifetimes", "T"]).integer() as u64, deadline);
    deadline
}

/// The deadline that the newest entry of the stream carries.
fn carried(stage: &Stage) -> Option<u64> {
    let newest = stage.raw(&["XREVRANGE", MEDIUM, "+", "-", "COUNT", "1"]).items()[0].items()[1].clone();
    let fields: Vec<String> = newest.items().iter().map(|text| text.text()).collect();
    let pair = fields.chunks_exact(2).find(|pair| pair[0] == "deadline_ms")?;
    Some(pair[1].parse().expect("a time"))
}

#[tokio::test]
async fn what_has_ended_gets_the_span_that_its_client_gave_once_more() {
    let (stage, order) = failed(Some(MINUTE), BOTH).await;
    assert_eq!(stage.task("T", "deadline_after_ms"), "60000");
    stage.raw(&["HSET", "task:T", "deadline_at", "9"]);
    let before = stage.store.now_ms().await.unwrap();
    requeue(&stage, &order, &[0, 1]).await;
    let now = stage.store.now_ms().await.unwrap();
    let deadline = deadline_at(&stage);
    assert!((before + 60_000..=now + 60_000).contains(&deadline), "{deadline}");
    assert_eq!(carried(&stage), Some(deadline));
    let blocked = stage.raw(&["HGET", "plan:T", "b:1"]).text();
    assert!(blocked.ends_with(&format!("\"deadline_ms\",\"{deadline}\"]")), "{blocked}");
}

#[tokio::test]
async fn what_has_ended_without_a_deadline_of_its_own_gets_that_of_every_task() {
    let (stage, order) = failed(Some(MINUTE), BOTH).await;
    stage.raw(&["HSET", "task:T", "deadline_after_ms", "soon"]);
    requeue(&stage, &order, &[0]).await;
    assert_eq!(carried(&stage), None, "what a hand broke is none");

    let (stage, order) = failed(None, BOTH).await;
    assert_eq!(stage.raw(&["HEXISTS", "task:T", "deadline_after_ms"]).integer(), 0);
    let before = stage.store.now_ms().await.unwrap();
    requeue(&stage, &order, &[0, 1]).await;
    assert!((before + 3_600_000..before + 3_660_000).contains(&deadline_at(&stage)));
    assert_eq!(carried(&stage), None, "whatever the call says");
}

#[tokio::test]
async fn what_is_open_keeps_its_deadline_and_what_runs_again_carries_it() {
    let (stage, order) = failed(Some(MINUTE), FIRST).await;
    let before = deadline_at(&stage);
    requeue(&stage, &order, &[0]).await;
    assert_eq!((deadline_at(&stage), carried(&stage)), (before, Some(before)));

    let (stage, order) = failed(None, FIRST).await;
    let before = deadline_at(&stage);
    requeue(&stage, &order, &[0]).await;
    assert_eq!((deadline_at(&stage), carried(&stage)), (before, None));
    assert_eq!(before, stage.task("T", "created_at").parse::<u64>().unwrap() + ADMISSION.deadline.as_millis() as u64);
}
