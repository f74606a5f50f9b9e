//! Opening a new generation of what has ended.

use crate::stage::{MEDIUM, Stage, TTL, name, refuses_other_types, settlement, stage, submission, task_id};
use proto_schemas::{FactKind, SubtaskDefinition, WorkEntry};
use redis_store::cancel::{CancelOrder, Cancelled};
use redis_store::requeue::{RequeueItem, RequeueOrder, Requeued};
use redis_store::settle::Settled;
use redis_store::{StoreError, script};
use std::time::Duration;

/// A subtask of `T` to run again: which, the generation it replaces, who depends on it.
pub type Again = (u32, u32, &'static str);

const HOUR: Duration = Duration::from_secs(3_600);

pub async fn requeue_with(
    stage: &Stage,
    subtasks: &[SubtaskDefinition],
    items: &[Again],
    letter: Option<&str>,
) -> Result<Requeued, StoreError> {
    let task_id = task_id("T");
    let item = |&(index, generation, edges): &Again| {
        let definition = &subtasks[index as usize];
        let entry = definition.first_attempt(&task_id, index).expect("an entry");
        let entry = WorkEntry { attempt: 4, crashes: 2, history: Some("old".into()), parked_at_ms: Some(5), ..entry };
        RequeueItem { entry, generation, definition, edges: edges.to_owned() }
    };
    let items = items.iter().map(item).collect();
    let order = RequeueOrder { task_id: &task_id, deadline: HOUR, items, dead_letter: letter };
    stage.store.requeue(&name("api"), &order).await
}

async fn requeue(stage: &Stage, items: &[Again]) -> Result<Requeued, StoreError> {
    requeue_with(stage, &submission("T", 3).subtasks, items, None).await
}

/// A task of three that failed: only its second subtask completed.
async fn failed() -> Stage {
    let stage = stage().await;
    stage.submit("T", 3).await;
    let fetched = stage.fetch("w", 3).await;
    let items = [FactKind::Failed, FactKind::Completed, FactKind::Failed];
    let items: Vec<_> = fetched.iter().zip(items).map(|(one, kind)| settlement(one, "w", kind, Some("1"))).collect();
    stage.store.settle(&name("w"), &items).await.expect("answers");
    stage.fold(&[]).await;
    stage.raw(&["DEL", "bell:default"]);
    assert_eq!(stage.head("T"), "failed 1 2 0");
    stage
}

#[tokio::test]
async fn records_go_back_to_the_counters_and_the_task_is_open_again() {
    let stage = failed().await;
    stage.raw(&["ZADD", "cancelled", "9", "T"]);
    let before = stage.story();
    assert_eq!(requeue(&stage, &[(0, 0, ""), (2, 0, "")]).await.unwrap(), Requeued::Requeued);
    let changed = stage.since(&before);
    let entry = |index| {
        format!(
            "+ subtasks:default:medium: ID v=1 task_id=T subtask_id=T-{index} index={index} generation=1 \
             kind=simulate description=step {index} priority=medium attempt=1 crashes=0 max_attempts=5 \
             timeout_ms=600000 payload={{}}"
        )
    };
    let records = "0=failed 1 0 MS 1=completed 1 0 MS 2=failed 1 0 MS";
    assert_eq!(changed[0], "- cancelled: T at 9");
    assert_eq!(
        changed[1..4],
        [
            format!("- outcomes:T: {records}"),
            "- result:T-0: 1 (expires)".to_owned(),
            "- result:T-2: 1 (expires)".to_owned(),
        ]
    );
    assert!(changed[4].starts_with("- task:T: ") && changed[4].contains(" finished_at="));
    assert_eq!(
        changed[5..10],
        [
            "- tasks:failed: T at MS".to_owned(),
            "+ bell:default: 2 tokens".to_owned(),
            "+ cancelled: T at MS".to_owned(), // the hint lasts as long as the new deadline
            "+ events: ID v=1 by=api facts=T 0 1 requeued 1 0 api MS\\nT 2 1 requeued 1 0 api MS".to_owned(),
            format!("+ outcomes:T: {records} g:0=1 g:2=1"),
        ]
    );
    assert_eq!(changed[10..12], [entry(0), entry(2)]);
    let head = "+ task:T: cancelled=0 completed=1 created_at=MS deadline_at=MS description=a task door=native failed=0 \
                generations=1 kinds=simulate outcome_at=MS priority=medium revision=3 status=processing";
    assert!(changed[12].starts_with(head) && !changed[12].contains("finished_at"), "{}", changed[12]);
    assert_eq!(changed[13..], ["+ tasks:processing: T at MS"]);
    let (now, deadline) = (stage.store.now_ms().await.unwrap(), stage.task("T", "deadline_at").parse::<u64>().unwrap());
    assert!((now + 3_590_000..=now + 3_600_000).contains(&deadline));
    assert_eq!(stage.raw(&["ZSCORE", "lifetimes", "T"]).integer() as u64, deadline);
    assert_eq!(stage.raw(&["ZSCORE", "tasks:processing", "T"]).text(), stage.task("T", "created_at"));
}

#[tokio::test]
async fn a_second_life_ends_the_task_again() {
    let stage = failed().await;
    requeue(&stage, &[(0, 0, ""), (2, 0, "")]).await.unwrap();
    for one in stage.fetch("w", 2).await {
        assert_eq!(one.entry.as_ref().unwrap().generation, 1);
        let item = settlement(&one, "w", FactKind::Completed, Some("2"));
        assert_eq!(stage.store.settle(&name("w"), &[item]).await.unwrap(), [Settled::Recorded]);
    }
    stage.fold(&[]).await;
    assert_eq!(stage.head("T"), "completed 3 0 0");
    assert_eq!(stage.raw(&["GET", "result:T-2"]).text(), "2");
    let record = stage.raw(&["HGET", "outcomes:T", "2@1"]).text();
    assert!(record.starts_with("completed 1 0 "), "{record}");
    assert_eq!(requeue(&stage, &[(0, 1, ""), (1, 0, ""), (2, 1, "")]).await.unwrap(), Requeued::Requeued);
    assert_eq!(stage.head("T"), "processing 0 0 0");
}

#[tokio::test]
async fn twice_it_is_gone_and_writes_nothing() {
    let stage = failed().await;
    let items = [(0, 0, ""), (2, 0, "")];
    assert_eq!(requeue(&stage, &items).await.unwrap(), Requeued::Requeued);
    let before = stage.exact();
    assert_eq!(requeue(&stage, &items).await.unwrap(), Requeued::Gone);
    assert_eq!(requeue(&stage, &items[..1]).await.unwrap(), Requeued::Gone);
    assert_eq!(stage.exact(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_open_one_generation() {
    let stage = failed().await;
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = stage.store.clone();
        senders.spawn(async move {
            let subtasks = submission("T", 3).subtasks;
            let task_id = task_id("T");
            let entry = subtasks[0].first_attempt(&task_id, 0).expect("an entry");
            let items = vec![RequeueItem { entry, generation: 0, definition: &subtasks[0], edges: String::new() }];
            let order = RequeueOrder { task_id: &task_id, deadline: HOUR, items, dead_letter: None };
            store.requeue(&name("api"), &order).await.expect("an answer")
        });
    }
    let answers = senders.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Requeued::Requeued).count(), 1);
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.head("T")), (1, "processing 1 1 0".into()));
}

#[tokio::test]
async fn all_of_them_or_none() {
    let stage = failed().await;
    stage.submit("U", 1).await;
    requeue(&stage, &[(2, 0, "")]).await.unwrap();
    stage.raw(&["HSET", "outcomes:T", "1@9", "completed 1 0 5"]);
    let before = stage.exact();
    for (what, items) in [
        ("not ended", [(0, 0, ""), (2, 1, "")]),
        ("an older generation", [(0, 0, ""), (2, 0, "")]),
        ("a generation that never was", [(0, 0, ""), (1, 9, "")]),
        ("a later one", [(0, 1, ""), (1, 0, "")]),
    ] {
        assert_eq!(requeue(&stage, &items).await.unwrap(), Requeued::Gone, "{what}");
        assert_eq!(stage.exact(), before, "{what}");
    }
    stage.raw(&["DEL", "task:T"]);
    let before = stage.exact();
    assert_eq!(requeue(&stage, &[(0, 0, "")]).await.unwrap(), Requeued::Gone, "no task");
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn the_dead_letter_goes_with_it_and_without_one_nothing_happens() {
    let stage = failed().await;
    let subtasks = submission("T", 3).subtasks;
    let letter_id = stage.raw(&["XADD", "dead-letters", "*", "a", "b"]).text();
    let before = stage.exact();
    let gone = requeue_with(&stage, &subtasks, &[(0, 0, "")], Some("1-1")).await.unwrap();
    assert_eq!((gone, stage.exact()), (Requeued::Gone, before));
    let answer = requeue_with(&stage, &subtasks, &[(0, 0, "")], Some(&letter_id)).await.unwrap();
    assert_eq!((answer, stage.raw(&["XLEN", "dead-letters"]).integer()), (Requeued::Requeued, 0));
    let before = stage.exact();
    let nonsense = requeue_with(&stage, &subtasks, &[(2, 0, "")], Some("nonsense")).await;
    assert!(matches!(nonsense, Err(StoreError::Refused(_))), "{nonsense:?}");
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn replay_after_a_cancel_drops_what_the_zombie_of_the_old_generation_says() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let zombie = stage.fetch("w", 1).await.remove(0);
    let order = CancelOrder { reason: None, task_ttl: TTL, only_past: false, if_revision: None };
    assert!(matches!(
        stage.store.cancel(&name("api"), &task_id("T"), &order).await.unwrap(),
        Cancelled::Cancelled(1, Some(_))
    ));
    assert_eq!(requeue(&stage, &[(0, 0, "")]).await.unwrap(), Requeued::Requeued);
    assert_eq!(stage.raw(&["ZCARD", "cancelled"]).integer(), 1, "what is left of the earlier one asks for its record");
    let late = settlement(&zombie, "w", FactKind::Completed, Some("late"));
    assert_eq!(stage.store.settle(&name("w"), &[late]).await.unwrap(), [Settled::Dropped]);
    assert_eq!(stage.raw(&["EXISTS", "result:T-0"]).integer(), 0);
    let second = stage.fetch("v", 1).await.remove(0);
    let item = settlement(&second, "v", FactKind::Completed, Some("2"));
    assert_eq!(stage.store.settle(&name("v"), &[item]).await.unwrap(), [Settled::Recorded]);
    stage.fold(&[]).await;
    assert_eq!(stage.head("T"), "completed 1 0 0");
}

#[tokio::test]
async fn without_memory_a_requeue_is_refused_whole_with_a_letter_and_without() {
    let stage = failed().await;
    let letter_id = stage.raw(&["XADD", "dead-letters", "*", "a", "b"]).text();
    let before = stage.exact();
    stage.out_of_memory();
    let subtasks = submission("T", 3).subtasks;
    for letter in [None, Some(letter_id.as_str())] {
        let answer = requeue_with(&stage, &subtasks, &[(0, 0, "")], letter).await;
        assert!(matches!(answer, Err(StoreError::OutOfMemory(_))), "{answer:?}");
        assert_eq!(stage.exact(), before);
    }
    stage.enough_memory();
    stage.raw(&["SCRIPT", "FLUSH"]);
    assert_eq!(requeue(&stage, &[(0, 0, "")]).await.unwrap(), Requeued::Requeued);
}

#[tokio::test]
async fn a_key_of_another_type_stops_a_requeue_before_its_first_write() {
    let stage = failed().await;
    let words = ["queued", "processing", "completed", "failed", "cancelled"].map(|word| format!("tasks:{word}"));
    let streams = ["critical", "high", "medium", "low"].map(|priority| format!("subtasks:default:{priority}"));
    let mut keys: Vec<&str> = words.iter().chain(&streams).map(String::as_str).collect();
    keys.extend(["task:T", "outcomes:T", "plan:T", "events", "lifetimes", "cancelled", "dead-letters", "bell:default"]);
    refuses_other_types(&stage, &keys, async || requeue(&stage, &[(0, 0, "")]).await.map(drop)).await;
    assert_eq!(stage.head("T"), "processing 1 1 0");
}

/// The keys of a call for one item of queue `default`.
const KEYS: [&str; 18] = [
    "task:T",
    "outcomes:T",
    "plan:T",
    "events",
    "lifetimes",
    "cancelled",
    "dead-letters",
    "tasks:queued",
    "tasks:processing",
    "tasks:completed",
    "tasks:failed",
    "tasks:cancelled",
    "bell:default",
    "subtasks:default:critical",
    "subtasks:default:high",
    MEDIUM,
    "subtasks:default:low",
    "result:T-0",
];

#[tokio::test]
async fn a_call_of_the_wrong_shape_is_refused_before_its_first_write() {
    let stage = failed().await;
    let none = requeue(&stage, &[]).await;
    assert!(matches!(none, Err(StoreError::Refused(_))), "{none:?}");
    let double = requeue(&stage, &[(0, 0, ""), (0, 0, "")]).await;
    assert!(matches!(double, Err(StoreError::Refused(_))), "{double:?}");
    let source = &script::all().into_iter().find(|script| script.name == "requeue").unwrap().source;
    let entry = "\"task_id\",\"T\",\"subtask_id\",\"T-0\",\"description\",\"d\"";
    let before = stage.exact();
    let call = |arguments: &[&str]| {
        let mut call = vec!["EVAL", source, "18"];
        call.extend(KEYS);
        call.extend(arguments);
        stage.redis.command(&call).text()
    };
    let good = format!("[0,0,\"default\",3,{entry}]");
    let items = [
        "nonsense".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        format!("[0,0,\"default\",5,{entry}]"),
        format!("[0,0,\"gpu\",3,{entry}]"),
        format!("[\"0\",0,\"default\",3,{entry}]"),
        format!("[0,\"0\",\"default\",3,{entry}]"),
        format!("[1,0,\"default\",3,{entry}]"),
        format!("[0,0,\"default\",3,{entry},\"odd\"]"),
        format!("[0,0,\"default\",3,{entry},\"n\",1]"),
        format!("[0,0,\"default\",3,{entry},\"n\",null]"),
        format!("[0,0,\"default\",3{}]", ",\"x\"".repeat(9_000)),
        format!("[0,0,\"default\",3,{}]", entry.replace("\"T\"", "\"U\"")),
        format!("[0,0,\"default\",3,{}]", entry.replace("description", "x")),
        format!("[7,0,\"default\",3,{}]", entry.replace("T-0", "T-7")),
    ];
    let mut answers: Vec<(String, String)> = items
        .iter()
        .map(|item| (item.chars().take(60).collect(), call(&["api", "T", "9", "", "1", "1", "default", item, ""])))
        .collect();
    for arguments in [
        &["two words", "T", "9", "", "1", "1", "default", &good, ""][..],
        &["api", "T", "soon", "", "1", "1", "default", &good, ""],
        &["api", "T", "9", "letter", "1", "1", "default", &good, ""],
        &["api", "T", "9", "", "2", "1", "default", &good, ""],
        &["api", "T", "9", "", "1", "0", "default", &good, ""],
        &["api", "T", "9", "", "", "1", "default", &good, ""],
        &["api", "T", "9", "", "1", "1", "default", &good],
    ] {
        answers.push((arguments[..6].join(" "), call(arguments)));
    }
    for (what, answer) in answers {
        assert!(answer.starts_with("ERR malformed call"), "{what}: {answer}");
    }
    assert_eq!(stage.exact(), before);
    assert_eq!(call(&["api", "T", "9", "", "1", "1", "default", &good, ""]), "requeued");
}
