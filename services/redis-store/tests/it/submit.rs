//! Accepting a task: whole or not at all.

use crate::stage::{ADMISSION, MEDIUM, plan, refuses_other_types, stage, submission, task_id};
use proto_schemas::{Kind, Priority, QueueName, WorkEntry, limit};
use redis_store::StoreError;
use redis_store::submit::{Admission, Start, Submission, Submitted};
use std::time::Duration;
use system_tests::redis::Reply;

#[tokio::test]
async fn a_task_comes_with_its_entries_its_indexes_its_fact_and_its_tokens() {
    let stage = stage().await;
    let before = stage.story();
    let mut order = submission("T", 2);
    order.context = Some("{\"a\": 1}".to_owned());
    order.kind = Some(Kind::new("simulate").unwrap());
    assert_eq!(stage.store.submit(&order, ADMISSION).await.unwrap(), Submitted::Created);
    let plan = serde_json::to_string(&order.subtasks).unwrap();
    let task = format!(
        "+ task:T: cancelled=0 completed=0 context={{\\\"a\\\": 1}} created_at=MS deadline_at=MS description=a task door=native failed=0 \
         kind=simulate kinds=simulate priority=medium revision=1 status=queued subtasks={} task_id=T total=2 updated_at=MS",
        plan.replace('"', "\\\"")
    );
    let entry = |index| {
        format!(
            "+ subtasks:default:medium: ID v=1 task_id=T subtask_id=T-{index} index={index} generation=0 kind=simulate \
             description=step {index} priority=medium attempt=1 crashes=0 max_attempts=5 timeout_ms=600000 payload={{}}"
        )
    };
    assert_eq!(
        stage.since(&before),
        [
            "+ bell:default: 2 tokens".to_owned(),
            "+ events: ID v=1 by=api facts=T - 0 created 0 0 api MS".to_owned(),
            "+ lifetimes: T at MS".to_owned(),
            "+ queues: default".to_owned(),
            entry(0),
            entry(1),
            task,
            "+ tasks: T at MS".to_owned(),
            "+ tasks:queued: T at MS".to_owned(),
        ]
    );
    let created_at = stage.raw(&["ZSCORE", "tasks", "T"]).integer();
    assert_eq!(stage.task("T", "created_at"), created_at.to_string());
    assert_eq!(stage.raw(&["ZSCORE", "lifetimes", "T"]).integer(), created_at + 604_800_000);
}

#[tokio::test]
async fn a_sent_entry_has_exactly_the_fields_that_encode_writes_in_their_order() {
    let stage = stage().await;
    let mut order = submission("T", 1);
    order.subtasks[0].description = "d, \"q\"\n\u{fc}".to_owned();
    order.subtasks[0].params = serde_json::value::RawValue::from_string("{\"n\": 1e2}".to_owned()).unwrap();
    order.subtasks[0].priority = Priority::High;
    stage.store.submit(&order, ADMISSION).await.unwrap();
    let entries = stage.raw(&["XRANGE", "subtasks:default:high", "-", "+"]);
    let fields: Vec<Vec<u8>> = entries.items()[0].items()[1].items().iter().map(bytes).collect();
    let pairs: Vec<(&[u8], &[u8])> = fields.chunks(2).map(|pair| (&pair[0][..], &pair[1][..])).collect();
    let entry = WorkEntry::decode(pairs.iter().copied(), Priority::High).unwrap();
    assert_eq!((entry.description.as_str(), entry.payload.as_str()), ("d, \"q\"\n\u{fc}", "{\"n\": 1e2}"));
    let encoded = entry.encode();
    let encoded: Vec<(&[u8], &[u8])> =
        encoded.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    assert_eq!(pairs, encoded);
}

#[tokio::test]
async fn every_entry_carries_the_trace_context_of_its_task_wherever_it_waits() {
    const CONTEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let stage = stage().await;
    let traced = |order: Submission| Submission { traceparent: Some(CONTEXT.to_owned()), ..order };
    stage.accept(&traced(plan("T", &["", "0:skip"]))).await;
    stage.accept(&traced(Submission { start: Start::After(Duration::from_secs(60)), ..submission("U", 1) })).await;
    stage.accept(&submission("V", 1)).await;
    let entries = stage.raw(&["XRANGE", MEDIUM, "-", "+"]);
    let fields = |at: usize| entries.items()[at].items()[1].items().iter().map(Reply::text).collect::<Vec<_>>();
    assert_eq!(fields(0)[fields(0).len() - 2..], ["traceparent", CONTEXT]);
    assert!(!fields(1).contains(&"traceparent".to_owned()), "of a task that is not traced");
    let body = |key: &str, field: &str| stage.raw(&["HGET", key, field]).text();
    let blocked = body("plan:T", "b:1");
    assert!(blocked.ends_with(&format!("\"parents\",\"s0=0:skip\",\"traceparent\",\"{CONTEXT}\"]")), "{blocked}");
    let delayed = body("delayed:body", "U-0");
    assert!(delayed.ends_with(&format!("\"traceparent\",\"{CONTEXT}\"]")), "{delayed}");
}

fn bytes(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Text(bytes) => bytes.clone(),
        other => panic!("not a string: {other:?}"),
    }
}

#[tokio::test]
async fn an_id_that_is_taken_is_existing_and_the_second_plan_leaves_no_trace() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let before = stage.exact();
    assert_eq!(stage.store.submit(&submission("T", 7), ADMISSION).await.unwrap(), Submitted::Existing(task_id("T")));
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn many_senders_of_one_submission_create_one_task() {
    let stage = stage().await;
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = stage.store.clone();
        senders.spawn(async move { store.submit(&submission("T", 3), ADMISSION).await.unwrap() });
    }
    let answers = senders.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Submitted::Created).count(), 1);
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 3);
}

#[tokio::test]
async fn a_backlog_is_full_to_the_last_entry_and_no_further() {
    let stage = stage().await;
    let admission = Admission { backlog_max: 5, ..ADMISSION };
    stage.submit("T", 3).await;
    stage.fetch("w", 1).await; // what is running still counts
    let before = stage.exact();
    assert_eq!(stage.store.submit(&submission("U", 3), admission).await.unwrap(), Submitted::Overloaded);
    assert_eq!(stage.exact(), before);
    let mut fits = submission("U", 2);
    fits.subtasks[0].priority = Priority::Low; // all priorities together
    assert_eq!(stage.store.submit(&fits, admission).await.unwrap(), Submitted::Created);
    let overloaded = stage.store.submit(&submission("V", 1), admission).await.unwrap();
    assert_eq!(overloaded, Submitted::Overloaded);
}

#[tokio::test]
async fn a_long_backlog_is_there_whole() {
    let stage = stage().await;
    let tasks: Vec<String> = (0..11).map(|n| format!("T{n}")).collect();
    for task in &tasks {
        let mut order = submission(task, limit::SUBTASKS_MAX);
        order.subtasks[0].backoff_base_ms += 1; // what has further fields is added by another line of the script
        stage.accept(&order).await;
    }
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 11_000);
    let oldest = stage.raw(&["XRANGE", MEDIUM, "-", "+", "COUNT", "1"]);
    assert_eq!(oldest.items()[0].items()[1].items()[5].text(), "T0-0");
}

#[tokio::test]
async fn two_queues_of_one_task_get_their_own_entries_tokens_and_bounds() {
    let stage = stage().await;
    let mut order = submission("T", 3);
    let gpu = QueueName::new("gpu").unwrap();
    order.subtasks[1].queue = gpu.clone();
    order.subtasks[2].queue = gpu;
    order.subtasks[2].priority = Priority::Critical;
    let tight = Admission { backlog_max: 1, ..ADMISSION };
    let before = stage.exact();
    assert_eq!(stage.store.submit(&order, tight).await.unwrap(), Submitted::Overloaded);
    assert_eq!(stage.exact(), before);
    assert_eq!(stage.store.submit(&order, ADMISSION).await.unwrap(), Submitted::Created);
    for (key, length) in [("subtasks:default:medium", 1), ("subtasks:gpu:medium", 1), ("subtasks:gpu:critical", 1)] {
        assert_eq!(stage.raw(&["XLEN", key]).integer(), length, "{key}");
    }
    assert_eq!(stage.raw(&["LLEN", "bell:default"]).integer(), 1);
    assert_eq!(stage.raw(&["LLEN", "bell:gpu"]).integer(), 2);
    assert!(stage.story().contains(&"queues: default gpu".to_owned()));
}

#[tokio::test]
async fn a_thousand_subtasks_fit_one_call_of_at_most_3500_arguments_and_64_tokens() {
    let stage = stage().await;
    stage.submit("warm", 1).await; // so that the script is known
    stage.raw(&["DEL", "bell:default"]);
    stage.raw(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    let mut order = submission("T", limit::SUBTASKS_MAX);
    for (index, subtask) in order.subtasks.iter_mut().enumerate() {
        subtask.priority = Priority::ALL[index % 4];
        subtask.kind = Kind::new(format!("kind-{}", index % 8)).unwrap();
    }
    assert_eq!(stage.store.submit(&order, ADMISSION).await.unwrap(), Submitted::Created);
    let log = stage.raw(&["SLOWLOG", "GET", "-1"]);
    let calls: Vec<&[Reply]> = log.items().iter().map(|entry| entry.items()[3].items()).collect();
    let call = calls.iter().find(|words| words[0].text() == "EVALSHA").expect("the one call");
    let more = call.last().unwrap().text();
    let more: usize = more.strip_prefix("... (").and_then(|text| text.split(' ').next()).unwrap().parse().unwrap();
    let arguments = call.len() - 1 + more;
    assert!((3_000..=3_500).contains(&arguments), "{arguments}");
    assert_eq!(stage.raw(&["LLEN", "bell:default"]).integer(), 64);
    let lengths = Priority::ALL.iter().map(|priority| stage.raw(&["XLEN", &format!("subtasks:default:{priority}")]));
    assert_eq!(lengths.map(|length| length.integer()).sum::<i64>(), 1_001);
    let last = stage.raw(&["XREVRANGE", "subtasks:default:low", "+", "-", "COUNT", "1"]);
    assert_eq!(last.items()[0].items()[1].items()[5].text(), "T-999");
}

#[tokio::test]
async fn a_bell_that_a_stranger_filled_takes_no_more() {
    let stage = stage().await;
    stage.raw(&[&["RPUSH", "bell:default"][..], &["1"; 100]].concat());
    stage.submit("T", 3).await;
    assert_eq!(stage.raw(&["LLEN", "bell:default"]).integer(), 100);
}

#[tokio::test]
async fn without_memory_a_submit_is_refused_whole() {
    let stage = stage().await;
    stage.submit("warm", 1).await;
    let before = stage.exact();
    stage.out_of_memory();
    let answer = stage.store.submit(&submission("T", 3), ADMISSION).await;
    assert!(matches!(answer, Err(StoreError::OutOfMemory(_))), "{answer:?}");
    assert_eq!(stage.exact(), before);
    stage.enough_memory();
    stage.submit("T", 3).await;
}

#[tokio::test]
async fn a_key_of_another_type_stops_a_submit_before_its_first_write() {
    let stage = stage().await;
    let streams = ["critical", "high", "medium", "low"].map(|priority| format!("subtasks:default:{priority}"));
    let mut keys: Vec<&str> = streams.iter().map(String::as_str).collect();
    keys.extend(["events", "tasks", "tasks:queued", "lifetimes", "queues", "bell:default"]);
    let order = submission("T", 2);
    refuses_other_types(&stage, &keys, async || stage.store.submit(&order, ADMISSION).await.map(drop)).await;
    assert_eq!(stage.task("T", "status"), "queued");
}

#[tokio::test]
async fn what_no_reader_would_take_is_refused_whole() {
    let stage = stage().await;
    let mut large = submission("T", 2);
    let text = format!("\"{}\"", "x".repeat(limit::PAYLOAD_BYTES_MAX - 1));
    large.subtasks[1].params = serde_json::value::RawValue::from_string(text).unwrap();
    let mut long = submission("T", 11);
    long.task_id = task_id(&"x".repeat(62));
    let before = stage.exact();
    for (what, order) in [("no subtasks", submission("T", 0)), ("a payload", large), ("an id", long.clone())] {
        let answer = stage.store.submit(&order, ADMISSION).await;
        assert!(matches!(answer, Err(StoreError::Refused(_))), "{what}: {answer:?}");
        assert_eq!(stage.exact(), before, "{what}");
    }
    long.subtasks.pop();
    assert_eq!(stage.store.submit(&long, ADMISSION).await.unwrap(), Submitted::Created);
    assert!(stage.fetch("w", 20).await.iter().all(|fetched| fetched.entry.is_ok()));
}

#[tokio::test]
async fn a_forgotten_script_is_loaded_again_and_runs_once() {
    let stage = stage().await;
    for task in ["T", "U", "V"] {
        stage.raw(&["SCRIPT", "FLUSH"]);
        stage.submit(task, 2).await;
    }
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 6);
    assert_eq!(stage.fetch("w", 10).await.len(), 6);
}
