//! Tasks that are to start later.

use crate::stage::{ADMISSION, MEDIUM, Stage, name, plan, refuses_other_types, stage, submission};
use crate::state::packed;
use proto_schemas::QueueName;
use redis_store::StoreError;
use redis_store::submit::{Admission, Start, Submission, Submitted};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn later(task: &str, start: Start) -> Submission {
    Submission { start, ..submission(task, 2) }
}

fn number(stage: &Stage, field: &str) -> u64 {
    stage.task("T", field).parse().expect("a number")
}

#[tokio::test]
async fn a_task_for_later_waits_whole_with_its_entries_in_delayed() {
    let stage = stage().await;
    let before = stage.story();
    stage.accept(&later("T", Start::After(MINUTE))).await;
    let entry = |index| {
        let line = format!(
            "v=1 task_id=T subtask_id=T-{index} index={index} generation=0 kind=simulate description=step {index} \
             priority=medium attempt=1 crashes=0 max_attempts=5 timeout_ms=600000 payload={{}}"
        );
        format!("T-{index}={}", packed("default", &line))
    };
    let changed = stage.since(&before);
    assert_eq!(
        changed[..5],
        [
            "+ delayed: T-0 at MS".to_owned(),
            "+ delayed: T-1 at MS".to_owned(),
            format!("+ delayed:body: {} {}", entry(0), entry(1)),
            "+ events: ID v=1 by=api facts=T - 0 created 0 0 api MS".to_owned(),
            "+ lifetimes: T at MS".to_owned(),
        ]
    );
    assert!(changed[6].contains(" run_at=MS ") && changed[6].contains(" status=queued "), "{}", changed[6]);
    assert_eq!(changed[7..], ["+ tasks: T at MS", "+ tasks:queued: T at MS"]);
    let (created, run_at, deadline) =
        (number(&stage, "created_at"), number(&stage, "run_at"), number(&stage, "deadline_at"));
    assert_eq!((run_at, deadline), (created + 60_000, created + 60_000 + ADMISSION.deadline.as_millis() as u64));
    assert_eq!(stage.raw(&["ZSCORE", "delayed", "T-1"]).integer() as u64, run_at);
    assert_eq!(stage.raw(&["ZSCORE", "lifetimes", "T"]).integer() as u64, deadline);
}

#[tokio::test]
async fn when_its_time_comes_it_runs_like_any_other() {
    let stage = stage().await;
    stage.accept(&later("T", Start::After(Duration::from_millis(1)))).await;
    let due = number(&stage, "run_at");
    let moved = async || {
        stage.store.promote(&name("r")).await.unwrap();
        stage.raw(&["XLEN", MEDIUM]).integer() == 2
    };
    crate::stage::eventually(Duration::from_secs(5), "it is promoted", moved).await;
    assert!(stage.store.now_ms().await.unwrap() >= due);
    let entry = stage.fetch("w", 2).await.remove(0).entry.unwrap();
    assert_eq!((entry.attempt, entry.history, entry.deadline_ms), (1, None, None));
}

#[tokio::test]
async fn a_moment_may_be_named_and_one_that_is_over_is_now() {
    let stage = stage().await;
    let now = stage.store.now_ms().await.unwrap();
    stage.accept(&later("T", Start::At(now + 90_000))).await;
    assert_eq!(number(&stage, "run_at"), now + 90_000);
    for (task, start) in [("U", Start::At(now - 1)), ("V", Start::After(Duration::ZERO)), ("W", Start::At(0))] {
        stage.accept(&later(task, start)).await;
        assert_eq!(stage.raw(&["HEXISTS", &format!("task:{task}"), "run_at"]).integer(), 0, "{task}");
    }
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.raw(&["ZCARD", "delayed"]).integer()), (6, 2));
}

#[tokio::test]
async fn a_deadline_counts_from_the_start_and_entries_carry_it() {
    let stage = stage().await;
    let mut order = later("T", Start::After(MINUTE));
    order.deadline = Some(2 * MINUTE);
    stage.accept(&order).await;
    let deadline = number(&stage, "deadline_at");
    assert_eq!(deadline, number(&stage, "created_at") + 180_000);
    assert!(stage.raw(&["HGET", "delayed:body", "T-0"]).text().ends_with(&format!("\"deadline_ms\",\"{deadline}\"]")));
}

#[tokio::test]
async fn only_what_depends_on_nothing_waits_for_the_time() {
    let stage = stage().await;
    stage.accept(&Submission { start: Start::After(MINUTE), ..plan("T", &["", "0:skip", ""]) }).await;
    let members = stage.raw(&["ZRANGE", "delayed", "0", "-1"]);
    assert_eq!(members.items().iter().map(|member| member.text()).collect::<Vec<_>>(), ["T-0", "T-2"]);
    assert_eq!(stage.raw(&["HGET", "plan:T", "w:1"]).text(), ",0,");
}

#[tokio::test]
async fn what_waits_counts_in_the_backlog() {
    let stage = stage().await;
    let tight = Admission { backlog_max: 5, ..ADMISSION };
    for (order, answer) in [
        (later("T", Start::After(MINUTE)), Submitted::Created),
        (submission("U", 3), Submitted::Created),
        (submission("V", 1), Submitted::Overloaded),
        (later("W", Start::After(MINUTE)), Submitted::Overloaded),
    ] {
        assert_eq!(stage.store.submit(&order, tight).await.unwrap(), answer, "{}", order.task_id);
    }
    let mut other = submission("X", 1);
    other.subtasks[0].queue = QueueName::new("gpu").unwrap();
    assert_eq!(
        stage.store.submit(&other, Admission { backlog_max: 2, ..ADMISSION }).await.unwrap(),
        Submitted::Overloaded
    );
}

#[tokio::test]
async fn a_second_sending_is_existing_and_without_memory_nothing_is_stored() {
    let stage = stage().await;
    let order = later("T", Start::After(MINUTE));
    stage.submit("warm", 1).await;
    let before = stage.exact();
    stage.out_of_memory();
    let answer = stage.store.with_patience(Duration::ZERO).submit(&order, ADMISSION).await;
    assert!(matches!(answer, Err(StoreError::OutOfMemory(_))), "{answer:?}");
    assert_eq!(stage.exact(), before);
    stage.enough_memory();
    refuses_other_types(&stage, &["delayed", "delayed:body"], async || {
        stage.store.submit(&order, ADMISSION).await.map(drop)
    })
    .await;
    let before = stage.exact();
    assert!(matches!(stage.store.submit(&order, ADMISSION).await.unwrap(), Submitted::Existing(_)));
    assert_eq!(stage.exact(), before);
    let wild = later("U", Start::At(u64::MAX));
    assert!(matches!(stage.store.submit(&wild, ADMISSION).await, Err(StoreError::Refused(_))));
}
