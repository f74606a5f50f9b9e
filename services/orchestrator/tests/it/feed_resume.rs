//! TASK-16: a client that was cut off goes on where it was, at any orchestrator.

use crate::follower::{Follower, connect, ids, names, places, second, tell};
use crate::stage::{Stage, stage};
use futures::future::join_all;
use serde_json::json;
use std::collections::BTreeSet;

const THREE: &str = r#"{"description":"d","subtasks":[{"description":"a"},{"description":"b"},{"description":"c"}]}"#;

fn path(id: &str) -> String {
    format!("/tasks/{id}/events")
}

/// A task whose every subtask has completed and is folded.
async fn ended(stage: &Stage) -> (String, Vec<String>) {
    let id = stage.submit(THREE).await;
    stage.work().await;
    let places = places(stage, Some(&id)).await;
    (id, places)
}

#[tokio::test]
async fn from_any_place_all_that_comes_behind_it_is_told_at_any_server() {
    let stage = stage().await;
    let other = second(&stage).await;
    let (id, places) = ended(&stage).await;
    stage.submit(THREE).await;
    assert_eq!(places.len(), 4, "{places:?}");
    for base in [&stage.base, &other.base] {
        for (done, place) in places.iter().enumerate() {
            let told = Follower::open(base, &path(&id), Some(place)).await.rest().await;
            let (end, facts) = told.split_last().expect("an end at least");
            assert_eq!(ids(facts), places[done + 1..], "after {place}");
            assert_eq!(end.name, "task.completed");
            let end = end.id.as_deref().filter(|id| id.ends_with(".end"));
            assert!(end.is_some());
            assert_eq!(connect(base, &path(&id), end).await.status(), 204);
        }
    }
    other.shutdown.cancel();
    other.server.await.expect("stopped");
}

#[tokio::test]
async fn the_header_goes_before_the_query_and_an_empty_one_is_none() {
    let stage = stage().await;
    let (id, places) = ended(&stage).await;
    let open = async |after: &str, header| {
        let path = format!("{}?after={after}", path(&id));
        Follower::open(&stage.base, &path, header).await.rest().await.len()
    };
    assert_eq!(open(&places[0], None).await, 4);
    assert_eq!(open(&places[0], Some("")).await, 4);
    assert_eq!(open(&places[0], Some(&places[2])).await, 2);
}

#[tokio::test]
async fn a_place_that_the_log_does_not_reach_any_more_is_answered_by_a_reset() {
    let stage = stage().await;
    let (id, places) = ended(&stage).await;
    let open = stage.submit(THREE).await;
    let first_of_all = places[0].clone();
    stage.fold().await;
    stage.redis.command(&["XTRIM", "events", "MAXLEN", "1"]);

    let told = Follower::open(&stage.base, &path(&id), Some(&first_of_all)).await.rest().await;
    assert_eq!(names(&told), ["reset", "task.completed"]);
    assert_eq!(told[0].data, stage.task(&id).await);
    let all = format!("/events?after={first_of_all}");
    let mut all = Follower::open(&stage.base, &all, None).await;
    let reset = all.next().await.expect("a message");
    let oldest = crate::follower::places(&stage, Some(&open)).await[0].clone();
    assert_eq!((reset.name.as_str(), reset.id), ("reset", None));
    assert_eq!(reset.data, json!({"oldest": oldest.strip_suffix(".0")}));
    let created = all.next().await.expect("a message");
    assert_eq!((created.name.as_str(), created.id), ("task.created", Some(oldest)));
}

#[tokio::test]
async fn what_was_lost_before_anybody_folded_it_is_one_reset_and_no_more() {
    let stage = stage().await;
    let id = stage.submit(THREE).await;
    let first = places(&stage, Some(&id)).await[0].clone();
    for ms in 0..3 {
        tell(&stage, &[format!("{id} 0 0 started 1 0 w {ms}")]);
    }
    stage.redis.command(&["XTRIM", "events", "MAXLEN", "1"]);
    let mut late = Follower::open(&stage.base, &path(&id), Some(&first)).await;
    let mut new = Follower::open(&stage.base, &path(&id), None).await;
    tell(&stage, &[format!("{id} 0 0 parked 1 0 w 4")]);
    assert_eq!(names(&late.until("subtask.parked").await), ["reset", "subtask.started", "subtask.parked"]);
    assert_eq!(names(&new.until("subtask.parked").await), ["snapshot", "subtask.started", "subtask.parked"]);
}

#[tokio::test]
async fn what_was_trimmed_before_a_task_was_there_is_no_loss_of_its_feed() {
    let stage = stage().await;
    let (_, earlier) = ended(&stage).await;
    let id = stage.submit(THREE).await;
    let mine = places(&stage, Some(&id)).await;
    stage.redis.command(&["XTRIM", "events", "MAXLEN", "1"]);
    let mut follower = Follower::open(&stage.base, &path(&id), Some(&earlier[0])).await;
    let first = follower.next().await.expect("a message");
    assert_eq!((first.name.as_str(), first.id.as_ref()), ("task.created", mine.first()));
}

#[tokio::test]
async fn a_task_that_is_older_than_the_entry_that_tells_of_it_has_lost_nothing() {
    let stage = stage().await;
    let id = stage.submit(THREE).await;
    let entry = stage.store.log_page("-", "+", 1).await.expect("the log").remove(0);
    let (ms, _) = entry.entry_id.split_once('-').expect("an id");
    let later = format!("{}-0", ms.parse::<u64>().expect("ms") + 40);
    let line = String::from_utf8(entry.lines().next().expect("a line").to_vec()).expect("text");
    stage.redis.command(&["XTRIM", "events", "MAXLEN", "0"]);
    stage.redis.command(&["XADD", "events", &later, "v", "1", "by", "hand", "facts", &line]);
    let mut follower = Follower::open(&stage.base, &path(&id), Some("1-0.0")).await;
    let first = follower.next().await.expect("a message");
    assert_eq!((first.name.as_str(), first.id), ("task.created", Some(format!("{later}.0"))));
}

#[tokio::test]
async fn a_place_of_another_log_is_answered_by_a_reset() {
    let stage = stage().await;
    let (id, _) = ended(&stage).await;
    let future = "99999999999999-0.0";
    let told = Follower::open(&stage.base, &path(&id), Some(future)).await.rest().await;
    assert_eq!(names(&told), ["reset", "task.completed"]);
    let mut all = Follower::open(&stage.base, &format!("/events?after={future}"), None).await;
    assert_eq!(names(&all.until("subtask.completed").await), ["reset", "task.created", "subtask.completed"]);
}

#[tokio::test]
async fn a_long_log_is_told_from_any_place() {
    let stage = stage().await;
    let id = stage.submit(THREE).await;
    for entry in 0..250 {
        tell(&stage, &(0..3).map(|line| format!("{id} 0 0 started 1 0 w {}", 3 * entry + line)).collect::<Vec<_>>());
    }
    tell(&stage, &[format!("{id} 1 0 parked 1 0 w 1")]);
    let places = places(&stage, Some(&id)).await;
    for after in [0, 299, 300, 301, 700] {
        let mut follower = Follower::open(&stage.base, "/events", Some(&places[after])).await;
        assert_eq!(ids(&follower.until("subtask.parked").await), places[after + 1..]);
    }
}

/// Follows a task up to `cut` messages, then at the server at `base`.
async fn follow_cut(mut first: Follower, base: &str, id: &str, cut: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < cut {
        let Some(event) = first.next().await else { return told };
        told.push(event.id.expect("an id"));
    }
    let last = first.last_id.clone();
    drop(first);
    if last.as_ref().is_some_and(|id| id.ends_with(".end")) {
        return told;
    }
    told.extend(ids(&Follower::open(base, &path(id), last.as_deref()).await.rest().await));
    told
}

#[tokio::test]
async fn a_hundred_who_are_cut_off_once_are_told_everything_once() {
    let stage = stage().await;
    let other = second(&stage).await;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(stage.submit(THREE).await);
    }
    let (tasks, base) = (&tasks, stage.base.as_str());
    let opened =
        join_all((0..100).map(|no| async move { Follower::open(base, &path(&tasks[no % 20]), None).await })).await;
    let listeners =
        (0..).zip(opened).map(|(no, first)| follow_cut(first, &other.base, &tasks[no % 20], 1 + no * 7 % 10));
    let working = async {
        for _ in 0..20 {
            for entry in stage.fetch(3).await {
                stage.start(&entry).await;
                stage.complete(&entry, "1").await;
            }
            stage.fold().await;
        }
    };
    let (told, ()) = futures::future::join(join_all(listeners), working).await;
    for (no, told) in told.iter().enumerate() {
        let id = &tasks[no % 20];
        let places = places(&stage, Some(id)).await;
        let facts: Vec<&String> = told.iter().filter(|id| !id.ends_with(".999") && !id.ends_with(".end")).collect();
        assert_eq!(facts, places.iter().collect::<Vec<_>>(), "listener {no}");
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "nothing twice");
        assert!(told.last().is_some_and(|id| id.ends_with(".end")), "listener {no} was told the end");
    }
}
