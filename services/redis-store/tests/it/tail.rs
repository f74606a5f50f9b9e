//! The log as whoever follows it reads it.

use crate::stage::{TTL, name, stage, task_id};
use proto_schemas::TaskStatus;
use redis_store::tail::{LogEntry, LogSpan, TaskState};
use std::time::Duration;

fn texts(entries: &[LogEntry]) -> Vec<String> {
    let lines = entries.iter().flat_map(LogEntry::lines);
    lines.map(|line| String::from_utf8_lossy(line).split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test]
async fn a_follower_waits_for_the_first_entry_and_no_longer_than_it_was_told() {
    let stage = stage().await;
    let tail = stage.store.connect_again();
    assert!(tail.wait_connected(Duration::from_secs(5)).await);
    assert_eq!(tail.tail_log("0-0", 9, Duration::ZERO).await.unwrap().len(), 0, "no log yet");
    let waiting = tokio::spawn(async move {
        let first = tail.tail_log("0-0", 9, Duration::from_secs(20)).await.unwrap();
        let rest = tail.tail_log(&first[0].entry_id, 9, Duration::ZERO).await.unwrap();
        (first, rest)
    });
    stage.submit("T", 1).await;
    let (first, rest) = waiting.await.unwrap();
    assert_eq!((texts(&first), texts(&rest)), (vec!["T -".to_owned()], vec![]));
}

#[tokio::test]
async fn a_page_lies_between_its_bounds_and_keeps_lines_that_are_no_facts() {
    let stage = stage().await;
    for task in ["T", "U", "V"] {
        stage.submit(task, 1).await;
    }
    stage.raw(&["XADD", "events", "*", "facts", "X 1\nnonsense\n"]);
    stage.raw(&["XADD", "events", "*", "other", "field"]);
    let all = stage.store.log_page("-", "+", 99).await.unwrap();
    assert_eq!(texts(&all), ["T -", "U -", "V -", "X 1", "nonsense", "", ""]);
    let page = stage.store.log_page(&format!("({}", all[0].entry_id), &all[2].entry_id, 99).await.unwrap();
    assert_eq!(texts(&page), ["U -", "V -"]);
    assert_eq!(texts(&stage.store.log_page("-", "+", 1).await.unwrap()), ["T -"]);
}

#[tokio::test]
async fn the_log_says_between_which_ids_it_lies_and_whether_that_is_all_there_ever_was() {
    let stage = stage().await;
    stage.raw(&["DEL", "events"]);
    let empty = LogSpan { first: None, last: "0-0".to_owned(), is_whole: true };
    assert_eq!(stage.store.log_span().await.unwrap(), empty);
    for task in ["T", "U"] {
        stage.submit(task, 1).await;
    }
    let ids: Vec<String> = stage.store.log_page("-", "+", 9).await.unwrap().into_iter().map(|it| it.entry_id).collect();
    let span = |first: Option<&String>, is_whole| LogSpan { first: first.cloned(), last: ids[1].clone(), is_whole };
    assert_eq!(stage.store.log_span().await.unwrap(), span(Some(&ids[0]), true));
    stage.raw(&["XTRIM", "events", "MAXLEN", "1"]);
    assert_eq!(stage.store.log_span().await.unwrap(), span(Some(&ids[1]), false));
    stage.raw(&["XTRIM", "events", "MAXLEN", "0"]);
    assert_eq!(stage.store.log_span().await.unwrap(), span(None, false));
}

#[tokio::test]
async fn what_is_folded_lies_before_what_a_projector_holds_back() {
    let stage = stage().await;
    assert_eq!(stage.store.folding().await.unwrap(), (None, "0-0".to_owned()));
    for task in ["T", "U"] {
        stage.submit(task, 1).await;
    }
    let entries = stage.events().await;
    let (first, last) = (entries[0].entry_id.clone(), entries[1].entry_id.clone());
    assert_eq!(stage.store.folding().await.unwrap(), (Some(first), last.clone()));
    stage.store.fold(&name("p"), TTL, &entries).await.unwrap();
    assert_eq!(stage.store.folding().await.unwrap(), (None, last));
}

#[tokio::test]
async fn a_task_says_where_it_stands() {
    let stage = stage().await;
    assert_eq!(stage.store.task_state(&task_id("T")).await.unwrap(), None);
    stage.submit("T", 1).await;
    let state = TaskState { status: TaskStatus::Queued, revision: 1, finished_at_ms: None };
    let found = stage.store.task_state(&task_id("T")).await.unwrap().unwrap();
    assert_eq!(found, TaskState { revision: found.revision, ..state });
    stage.raw(&["HSET", "task:T", "status", "completed", "revision", "7", "finished_at", "9"]);
    let ended = TaskState { status: TaskStatus::Completed, revision: 7, finished_at_ms: Some(9) };
    assert_eq!(stage.store.task_state(&task_id("T")).await.unwrap(), Some(ended));
}
