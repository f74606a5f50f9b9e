//! What people ask for: tasks, results, pages.

use crate::stage::{MEDIUM, medium, stage, task_id};
use proto_schemas::{Door, SubtaskId, TaskStatus};
use redis_store::StoreError;

#[tokio::test]
async fn a_task_is_read_whole_with_its_outcomes_and_an_unknown_one_is_none() {
    let stage = stage().await;
    assert!(stage.store.task(&task_id("T")).await.unwrap().is_none());
    stage.submit("T", 2).await;
    stage.fold(&["T 1 0 completed 1 0 w 2000000000000\nT 0 0 started 1 0 w 5"]).await;
    let view = stage.store.task(&task_id("T")).await.unwrap().unwrap();
    assert_eq!((view.task.status, view.task.total, view.task.completed), (TaskStatus::Processing, 2, 1));
    assert_eq!((view.task.door, view.task.updated_at_ms), (Door::Native, 2_000_000_000_000));
    assert_eq!(view.task.subtasks[1].description, "step 1");
    assert_eq!(view.outcomes["1"], "completed 1 0 2000000000000");
    assert_eq!(view.outcomes["~0"], "0 1 0 5 started w");
    stage.raw(&["HDEL", "task:T", "status"]);
    let answer = stage.store.task(&task_id("T")).await;
    assert!(matches!(answer, Err(StoreError::Document(_))), "{answer:?}");
}

#[tokio::test]
async fn a_result_is_read_or_none_or_said_to_be_unreadable() {
    let stage = stage().await;
    let subtask_id = SubtaskId::new("T-0").unwrap();
    assert!(stage.store.result(&subtask_id).await.unwrap().is_none());
    let json = r#"{"subtask_id":"T-0","task_id":"T","status":"completed","worker_id":"w","completed_at":"x","description":"d","output":{"n":1e2}}"#;
    stage.raw(&["SET", "result:T-0", json]);
    let result = stage.store.result(&subtask_id).await.unwrap().unwrap();
    assert_eq!(result.output.unwrap().get(), "{\"n\":1e2}");
    stage.raw(&["SET", "result:T-0", "{"]);
    assert!(matches!(stage.store.result(&subtask_id).await, Err(StoreError::Document(_))));
}

#[tokio::test]
async fn indexes_and_streams_are_paged_without_a_gap_and_without_an_overlap() {
    let stage = stage().await;
    for task in ["A", "B", "C"] {
        stage.submit(task, 1).await;
    }
    let pages = [stage.store.tasks_page(0, 2).await.unwrap(), stage.store.tasks_page(2, 2).await.unwrap()];
    assert_eq!(pages.concat(), ["A", "B", "C"].map(task_id));
    assert_eq!((stage.store.tasks_count().await.unwrap(), pages[1].len()), (3, 1));
    assert_eq!(stage.store.queues().await.unwrap(), std::slice::from_ref(&stage.queue));
    stage.raw(&[b"XADD", MEDIUM.as_bytes(), b"*", b"\xff", b"\xfe"]);
    let first = stage.store.stream_page(&medium(), "-", 3).await.unwrap();
    let rest = stage.store.stream_page(&medium(), &first[2].entry_id, 3).await.unwrap();
    assert_eq!(first[0].fields[1], ("task_id".to_owned(), "A".to_owned()));
    assert_eq!(rest[0].fields, [("\u{fffd}".to_owned(), "\u{fffd}".to_owned())], "shown as well as it can be");
    assert_eq!((stage.store.stream_length(&medium()).await.unwrap(), first.len() + rest.len()), (4, 4));
}

#[tokio::test]
async fn the_places_of_a_task_are_told_also_the_wrong_ones() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.raw(&["ZADD", "tasks:failed", "5", "T"]);
    let places = stage.store.index_places(&[task_id("none"), task_id("T")]).await.unwrap();
    assert_eq!((places[0].statuses.len(), places[0].life_ends_at_ms), (0, None));
    assert_eq!(places[1].statuses, [TaskStatus::Queued, TaskStatus::Failed]);
    assert_eq!(places[1].life_ends_at_ms, Some(stage.raw(&["ZSCORE", "lifetimes", "T"]).integer() as u64));
    assert_eq!(stage.store.index_places(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn the_group_of_a_stream_is_told_once_there_is_one() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    stage.fetch("w", 1).await;
    let group = stage.store.work_group(&medium()).await.unwrap().unwrap();
    assert_eq!((group.pending, group.oldest_pending_id.as_ref()), (1, Some(&group.last_delivered_id)));
    stage.raw(&["XGROUP", "DESTROY", MEDIUM, "workers"]);
    assert_eq!(stage.store.work_group(&medium()).await.unwrap(), None);
    assert_eq!(stage.store.pending_page(&medium(), "-", 9).await.unwrap(), []);
}
