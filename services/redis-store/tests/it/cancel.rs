//! Ending a task from outside.

use crate::stage::{
    MEDIUM, Stage, TTL, eventually, medium, name, plan, refuses_other_types, settlement, stage, submission, task_id,
};
use proto_schemas::{FactKind, TaskStatus, limit};
use redis_store::StoreError;
use redis_store::bury::{Burial, Buried, Owner};
use redis_store::cancel::{CancelOrder, Cancelled};
use redis_store::fetch::Fetched;
use redis_store::hand_back::{HandedBack, Unfinished};
use redis_store::retry::{Retried, Retry};
use redis_store::settle::Settled;
use std::collections::HashSet;
use std::time::Duration;

const ASKED: CancelOrder = CancelOrder { reason: None, task_ttl: TTL, only_past: false, if_revision: None };

async fn cancel(stage: &Stage, task: &str) -> Result<Cancelled, StoreError> {
    stage.store.cancel(&name("api"), &task_id(task), &ASKED).await
}

fn retry(fetched: &Fetched) -> Retry {
    let (entry_id, reason) = (fetched.entry_id.clone(), "error".parse().expect("a reason"));
    Retry { stream: medium(), entry_id, task_id: task_id("T"), delay: Duration::from_secs(60), reason }
}

/// A task of six that `w` runs: the second completed, the fourth is to be tried again.
async fn half_way() -> (Stage, Vec<Fetched>) {
    let stage = stage().await;
    stage.submit("T", 6).await;
    let fetched = stage.fetch("w", 6).await;
    let item = settlement(&fetched[1], "w", FactKind::Completed, None);
    stage.store.settle(&name("w"), &[item]).await.expect("answers");
    stage.store.retry(&name("w"), &[retry(&fetched[3])]).await.expect("answers");
    stage.fold(&["T 0 0 started 1 0 w 5"]).await;
    (stage, fetched)
}

#[tokio::test]
async fn what_has_not_ended_is_recorded_cancelled_at_once_and_what_waits_is_gone() {
    let (stage, _) = half_way().await;
    stage.raw(&["HSET", "plan:T", "queues", "default"]);
    let before = stage.story();
    let (then, now) = (stage.store.now_ms().await.unwrap(), cancel(&stage, "T").await.unwrap());
    let Cancelled::Cancelled(5, Some(end)) = now else { panic!("{now:?}") };
    assert_eq!((end.status, end.kind), (TaskStatus::Cancelled, Some("simulate".parse().unwrap())));
    let changed = stage.since(&before);
    let cancelled = |index: u32| format!("{index}=cancelled 0 0 MS");
    let records = [cancelled(0), "1=completed 1 0 MS".into(), cancelled(2), cancelled(3), cancelled(4), cancelled(5)];
    let outcomes = format!("+ outcomes:T: {}", records.join(" "));
    assert!(changed[1].starts_with("- delayed:body: T-3=["), "{changed:?}");
    assert!(changed[2].starts_with("- outcomes:T: 1=completed") && changed[4].starts_with("- task:T: "), "{changed:?}");
    assert_eq!(
        [&changed[0], &changed[3], &changed[5]],
        ["- delayed: T-3 at MS", "- plan:T: queues=default", "- tasks:processing: T at MS",]
    );
    let facts = "T 0 0 cancelled 0 0 api MS\\nT 2-5 0 cancelled 0 0 api MS";
    assert_eq!(
        changed[6..9],
        ["+ cancelled: T at MS".into(), format!("+ events: ID v=1 by=api facts={facts}"), outcomes]
    );
    let status = "cancelled=5 completed=1 created_at=MS deadline_at=MS description=a task door=native failed=0 \
                  finished_at=MS kinds=simulate outcome_at=MS priority=medium revision=3 status=cancelled";
    assert!(changed[9].starts_with(&format!("+ task:T: {status}")), "{}", changed[9]);
    assert_eq!(changed[10..], ["+ tasks:cancelled: T at MS"]);

    let score = |key: &str| stage.raw(&["ZSCORE", key, "T"]).integer() as u64;
    let (finished, deadline) = (stage.task("T", "finished_at"), stage.task("T", "deadline_at"));
    let finished: u64 = finished.parse().unwrap();
    assert!((then..then + 1_000).contains(&finished));
    assert_eq!(score("lifetimes"), finished + TTL.as_millis() as u64);
    assert_eq!(score("cancelled").to_string(), deadline, "workers are told until nobody can run it any more");
}

#[tokio::test]
async fn a_second_cancel_and_one_of_an_ended_task_say_what_it_is_and_write_nothing() {
    let (stage, _) = half_way().await;
    cancel(&stage, "T").await.unwrap();
    stage.submit("C", 1).await;
    stage.submit("F", 1).await;
    stage.fold(&["C 0 0 completed 1 0 w 5\nF 0 0 failed 1 0 w 5"]).await;
    let before = stage.exact();
    for (task, answer) in [
        ("T", Cancelled::Already(TaskStatus::Cancelled)),
        ("C", Cancelled::Already(TaskStatus::Completed)),
        ("F", Cancelled::Already(TaskStatus::Failed)),
        ("nobody", Cancelled::Gone),
    ] {
        assert_eq!(cancel(&stage, task).await.unwrap(), answer, "{task}");
    }
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn a_deadline_cancels_only_what_is_past_it_and_says_so() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    let reason = Some("deadline".parse().unwrap());
    let order = CancelOrder { reason, task_ttl: TTL, only_past: true, if_revision: None };
    let before = stage.exact();
    assert_eq!(stage.store.cancel(&name("p"), &task_id("T"), &order).await.unwrap(), Cancelled::Early);
    assert_eq!(stage.exact(), before);
    let now = stage.store.now_ms().await.unwrap();
    stage.raw(&["ZADD", "lifetimes", &now.to_string(), "T"]);
    assert!(matches!(
        stage.store.cancel(&name("p"), &task_id("T"), &order).await.unwrap(),
        Cancelled::Cancelled(2, Some(_))
    ));
    assert_eq!(stage.facts()[1..], ["T 0-1 0 cancelled 0 0 p deadline"]);
    assert!(stage.raw(&["HGET", "outcomes:T", "1"]).text().ends_with(" deadline"));
    let told_until = stage.raw(&["ZSCORE", "cancelled", "T"]).integer() as u64;
    assert!((now..now + 1_000).contains(&(told_until - limit::CANCEL_HINT_MS)), "at least as long as any attempt");
}

#[tokio::test]
async fn what_has_changed_since_is_left_alone_and_what_is_cancelled_already_is_no_matter_of_revisions() {
    let (stage, _) = half_way().await;
    let revision: u64 = stage.raw(&["HGET", "task:T", "revision"]).text().parse().expect("a number");
    let cancel = async |revision| {
        let order = CancelOrder { if_revision: Some(revision), ..ASKED };
        stage.store.cancel(&name("api"), &task_id("T"), &order).await.expect("an answer")
    };
    let before = stage.story();
    assert_eq!((cancel(revision - 1).await, cancel(revision + 1).await), (Cancelled::Changed, Cancelled::Changed));
    assert_eq!(stage.since(&before), Vec::<String>::new());
    assert!(matches!(cancel(revision).await, Cancelled::Cancelled(5, Some(_))));
    assert_eq!(cancel(revision).await, Cancelled::Already(TaskStatus::Cancelled), "sent again");
}

#[tokio::test]
async fn whoever_still_runs_it_is_told_and_whatever_they_say_is_dropped() {
    let (stage, fetched) = half_way().await;
    cancel(&stage, "T").await.unwrap();
    stage.fold(&[]).await;
    let tasks = ["T", "U"].map(task_id);
    assert_eq!(stage.store.cancelled_among(&tasks).await.unwrap(), HashSet::from([task_id("T")]));
    let ended = stage.store.ended_among(&tasks[0], &[(5, 0), (5, 1), (9, 0), (0, 0)]).await.unwrap();
    assert_eq!(ended, [true, false, false, true], "of its generation");
    assert_eq!(stage.store.ended_among(&tasks[1], &[(0, 0), (1, 0)]).await.unwrap(), [true; 2], "a life that is over");
    let before = stage.story();
    let late = settlement(&fetched[0], "w", FactKind::Completed, Some("1"));
    assert_eq!(stage.store.settle(&name("w"), &[late]).await.unwrap(), [Settled::Dropped]);
    assert_eq!(stage.store.retry(&name("w"), &[retry(&fetched[2])]).await.unwrap(), [Retried::Dropped]);
    let entry = fetched[4].entry.as_ref().unwrap();
    let owner = Owner {
        task_id: entry.task_id.clone(),
        subtask_id: entry.subtask_id.clone(),
        result: Some("1".to_owned()),
        result_ttl: TTL,
    };
    let burial = Burial {
        stream: medium(),
        entry_id: fetched[4].entry_id.clone(),
        owner: Some(owner),
        reason: "timeout".parse().unwrap(),
        error: String::new(),
    };
    assert_eq!(stage.store.bury(&name("w"), &[burial]).await.unwrap(), [Buried::Dropped]);
    let gone = stage.since(&before);
    assert_eq!(gone.len(), 3);
    assert!(gone.iter().all(|line| line.starts_with("- subtasks:default:medium: ID [w]")), "{gone:?}");
    let back = stage.store.hand_back(&name("w"), &medium(), &[Unfinished::from(&fetched[5])]).await.unwrap();
    assert_eq!(back, [HandedBack::Dropped]);
}

#[tokio::test]
async fn the_fold_of_its_own_facts_and_of_a_late_outcome_changes_nothing() {
    let (stage, fetched) = half_way().await;
    let item = settlement(&fetched[0], "w", FactKind::Failed, None);
    assert_eq!(stage.store.settle(&name("w"), &[item]).await.unwrap(), [Settled::Recorded]);
    assert!(
        matches!(cancel(&stage, "T").await.unwrap(), Cancelled::Cancelled(5, Some(_))),
        "an outcome that is not folded is none"
    );
    let before = stage.exact();
    let counts = stage.fold(&[]).await;
    assert_eq!((counts.counted, counts.duplicate), (0, 6));
    let changed = crate::state::difference(&before, &stage.exact());
    assert!(changed.iter().all(|line| line.contains("events: ")), "{changed:?}");
    assert_eq!(stage.head("T"), "cancelled 1 0 5");
}

#[tokio::test]
async fn a_task_of_a_thousand_ends_in_one_line() {
    let stage = stage().await;
    stage.submit("T", limit::SUBTASKS_MAX).await;
    assert!(matches!(cancel(&stage, "T").await.unwrap(), Cancelled::Cancelled(1_000, Some(_))));
    assert_eq!(stage.facts()[1..], ["T 0-999 0 cancelled 0 0 api"]);
    assert_eq!((stage.head("T"), stage.raw(&["HLEN", "outcomes:T"]).integer()), ("cancelled 0 0 1000".into(), 1_000));
    assert_eq!(stage.fold(&[]).await.duplicate, 1_000);
}

#[tokio::test]
async fn each_generation_has_a_line_of_its_own_and_the_older_records_stay() {
    let stage = stage().await;
    stage.submit("T", 4).await;
    stage.raw(&["HSET", "outcomes:T", "1", "failed 1 0 5", "g:1", "1", "3", "failed 1 0 5", "g:3", "nonsense"]);
    let answer = cancel(&stage, "T").await.unwrap();
    assert_eq!(answer, Cancelled::Cancelled(3, None), "its counters say less than its records");
    let lines = ["T 0 0 cancelled 0 0 api", "T 1 1 cancelled 0 0 api", "T 2 0 cancelled 0 0 api"];
    assert_eq!(stage.facts()[1..], lines);
    assert_eq!(stage.raw(&["HGET", "outcomes:T", "1"]).text(), "failed 1 0 5");
}

#[tokio::test]
async fn what_waits_in_a_plan_and_for_its_start_never_runs() {
    let stage = stage().await;
    let mut order = plan("T", &["", "0:continue", ""]);
    order.start = redis_store::submit::Start::After(Duration::from_secs(60));
    stage.accept(&order).await;
    assert!(matches!(cancel(&stage, "T").await.unwrap(), Cancelled::Cancelled(3, Some(_))));
    assert_eq!(stage.raw(&["EXISTS", "plan:T", "delayed", "delayed:body", MEDIUM]).integer(), 1, "the empty stream");
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 0);
}

#[tokio::test]
async fn a_long_reason_is_cut_to_the_64_bytes_of_a_record() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let order = CancelOrder { reason: Some("r".repeat(64).parse().unwrap()), ..ASKED };
    stage.store.cancel(&name("api"), &task_id("T"), &order).await.unwrap();
    assert_eq!(stage.raw(&["HGET", "outcomes:T", "0"]).text().len(), limit::RECORD_BYTES_MAX);
    assert!(stage.facts()[1].ends_with(&"r".repeat(64)));
}

#[tokio::test]
async fn a_hash_that_a_hand_broke_is_nobodys_or_ends_all_the_same() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    for (field, wrong, answer) in [
        ("total", "many", Some(Cancelled::Gone)),
        ("total", "1001", Some(Cancelled::Gone)),
        ("created_at", "", Some(Cancelled::Gone)),
        ("status", "odd", None),
    ] {
        let right = stage.task("T", field);
        stage.raw(&["HSET", "task:T", field, wrong]);
        let before = stage.exact();
        match (cancel(&stage, "T").await, answer) {
            (Ok(told), Some(answer)) => assert_eq!(told, answer, "{field}"),
            (Err(StoreError::Refused(_)), None) => {}
            (told, _) => panic!("{field}: {told:?}"),
        }
        assert_eq!(stage.exact(), before, "{field}");
        stage.raw(&["HSET", "task:T", field, &right]);
    }
    for field in ["completed", "failed", "cancelled", "updated_at", "outcome_at", "revision"] {
        stage.raw(&["HSET", "task:T", field, "nan"]);
    }
    stage.raw(&["ZADD", "lifetimes", "inf", "T"]);
    assert!(matches!(cancel(&stage, "T").await.unwrap(), Cancelled::Cancelled(2, Some(_))));
    assert_eq!(stage.head("T"), "cancelled 0 0 2");
}

#[tokio::test]
async fn without_memory_or_script_a_cancel_runs_to_its_end() {
    let (stage, _) = half_way().await;
    stage.raw(&["SCRIPT", "FLUSH"]);
    stage.out_of_memory();
    assert!(matches!(cancel(&stage, "T").await.unwrap(), Cancelled::Cancelled(5, Some(_))));
    assert_eq!(stage.head("T"), "cancelled 1 0 5");
    assert_eq!(stage.facts().len(), 6);
}

#[tokio::test]
async fn a_key_of_another_type_stops_a_cancel_before_its_first_write() {
    let (stage, _) = half_way().await;
    let indexes = ["queued", "processing", "completed", "failed", "cancelled"].map(|word| format!("tasks:{word}"));
    let mut keys: Vec<&str> = indexes.iter().map(String::as_str).collect();
    keys.extend(["task:T", "outcomes:T", "plan:T", "events", "delayed", "delayed:body", "cancelled", "lifetimes"]);
    refuses_other_types(&stage, &keys, async || cancel(&stage, "T").await.map(drop)).await;
    assert_eq!(stage.head("T"), "cancelled 1 0 5");
}

#[tokio::test]
async fn every_cancelled_task_is_told_while_they_are_few() {
    let stage = stage().await;
    let few = async |count: usize| stage.store.cancelled_if_few(count).await;
    assert_eq!(few(0).await.unwrap(), Some([].into()));
    stage.raw(&["ZADD", "cancelled", "5", "T", "9", "U"]);
    assert_eq!(few(2).await.unwrap(), Some([task_id("T"), task_id("U")].into()));
    assert_eq!(few(1).await.unwrap(), None);
    stage.raw(&["SET", "cancelled", "of another type"]);
    assert!(matches!(few(2).await, Err(StoreError::WrongType(_))));
}

#[tokio::test]
async fn hints_are_forgotten_when_their_time_is_over() {
    let stage = stage().await;
    assert_eq!(stage.store.cancelled_among(&[]).await.unwrap(), HashSet::new());
    stage.raw(&["ZADD", "cancelled", "10", "A", "20", "B", "30", "C"]);
    assert_eq!(stage.store.forget_cancelled(20).await.unwrap(), 2);
    assert_eq!(stage.store.forget_cancelled(20).await.unwrap(), 0);
    let tasks = ["A", "B", "C"].map(task_id);
    assert_eq!(stage.store.cancelled_among(&tasks).await.unwrap(), HashSet::from([task_id("C")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_races_with_outcomes_and_their_fold_ends_in_sums_that_agree() {
    for round in 0..8 {
        let stage = stage().await;
        stage.accept(&submission("T", 40)).await;
        let fetched = stage.fetch("w", 40).await;
        let (front, back) = (stage.store.connect_again(), stage.store.connect_again());
        let settling = tokio::spawn(async move {
            for one in &fetched {
                let item = settlement(one, "w", FactKind::Completed, None);
                front.settle(&name("w"), &[item]).await.expect("answers");
            }
        });
        let folding = tokio::spawn(async move {
            for _ in 0..30 {
                let events = back.read_events(&name("p"), 4, Duration::from_millis(1)).await.expect("events");
                back.fold(&name("p"), TTL, &events).await.expect("counts");
            }
        });
        let left = 40 - 5 * round;
        let some_settled = async || stage.raw(&["XLEN", MEDIUM]).integer() <= left;
        eventually(Duration::from_secs(10), "some are settled", some_settled).await;
        let answer = cancel(&stage, "T").await.unwrap();
        settling.await.unwrap();
        folding.await.unwrap();
        stage.fold(&[]).await;
        let [completed, failed, cancelled] =
            ["completed", "failed", "cancelled"].map(|field| stage.task("T", field).parse::<u64>().unwrap());
        assert_eq!((completed + cancelled, failed), (40, 0));
        match answer {
            Cancelled::Cancelled(count, _) => {
                assert_eq!((count, stage.task("T", "status")), (cancelled, "cancelled".into()))
            }
            Cancelled::Already(status) => assert_eq!((status, cancelled), (TaskStatus::Completed, 0)),
            other => panic!("{other:?}"),
        }
    }
}
