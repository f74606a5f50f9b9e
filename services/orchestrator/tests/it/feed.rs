//! TASK-16: what a feed tells, while nothing goes wrong.

use crate::follower::{Event, Follower, connect, follow, ids, names, places, tell};
use crate::raw::Raw;
use crate::stage::{stage, worker};
use proto_schemas::FactKind;
use serde_json::json;
use std::time::Duration;

const TWO: &str = r#"{"description":"d","subtasks":[{"description":"a"},{"description":"b"}]}"#;

#[tokio::test]
async fn every_change_is_told_once_and_in_order_and_then_the_end() {
    let stage = stage().await;
    let id = stage.submit(TWO).await;
    let mut follower = follow(&stage, &id).await;
    let snapshot = follower.next().await.expect("a snapshot");
    assert_eq!((snapshot.name.as_str(), &snapshot.data), ("snapshot", &stage.task(&id).await));
    stage.submit(TWO).await; // of no interest
    let entries = stage.fetch(2).await;
    stage.start(&entries[0]).await;
    stage.complete(&entries[0], "1").await;
    stage.retry(&entries[1], Duration::ZERO).await;
    stage.promote().await;
    let again =
        stage.fetch(9).await.into_iter().find(|it| it.entry.as_ref().is_ok_and(|it| it.index == 1 && it.attempt == 2));
    stage.settle(&again.expect("the second attempt"), FactKind::Failed, None).await;
    let before_the_fold = follower.until("subtask.failed").await;
    stage.fold().await;

    let end = follower.next().await.expect("an end");
    let told = ["task.created", "subtask.started", "subtask.completed", "subtask.retrying", "subtask.failed"];
    assert_eq!(names(&before_the_fold), told);
    assert_eq!(ids(&before_the_fold), places(&stage, Some(&id)).await);
    let failed = &before_the_fold[4];
    let at = failed.data["at"].clone();
    let data = json!({
        "event": "subtask.failed", "task_id": id, "subtask_id": format!("{id}-1"), "index": 1, "generation": 0, "attempt": 2,
        "crashes": 0, "worker": worker().as_str(), "at": at, "reason": "broken",
    });
    assert_eq!(failed.data, data);
    let task = stage.task(&id).await;
    let data = json!({"event": "task.failed", "task_id": id, "revision": task["revision"], "at": task["finished_at"]});
    let end_id = format!("{}.end", failed.id.as_deref().expect("an id"));
    assert_eq!(end, Event { id: Some(end_id.clone()), name: "task.failed".to_owned(), data });
    assert_eq!(follower.next().await, None, "and nothing after it");
    let again = connect(&stage.base, &format!("/tasks/{id}/events"), Some(&end_id)).await;
    assert_eq!((again.status().as_u16(), again.text().await.expect("a body").as_str()), (204, ""));
}

#[tokio::test]
async fn every_sort_of_fact_has_its_name_and_neighbours_cancelled_at_once_are_one_message() {
    let stage = stage().await;
    let id = stage.submit(TWO).await;
    let mut follower = follow(&stage, &id).await;
    follower.until("task.created").await;
    let kinds =
        ["started", "retrying", "crashed", "returned", "parked", "completed", "failed", "cancelled", "requeued"];
    tell(&stage, &kinds.map(|kind| format!("{id} 1 0 {kind} 2 1 w 1790000000000 why")));
    for kind in kinds {
        let event = follower.next().await.expect("a message");
        assert_eq!(event.name, format!("subtask.{kind}"));
        let of = |name: &str| event.data[name].clone();
        assert_eq!(
            (of("index"), of("attempt"), of("crashes"), of("reason")),
            (json!(1), json!(2), json!(1), json!("why"))
        );
    }
    tell(&stage, &["nonsense".to_owned(), format!("{id} 3-17 0 cancelled 0 0 w 1")]);
    let range = follower.next().await.expect("a message");
    assert_eq!((range.name.as_str(), &range.data["indexes"]), ("subtask.cancelled", &json!([3, 17])));
    assert!(range.data.get("index").is_none());
    assert!(range.id.is_some_and(|id| id.ends_with(".1")), "a line that is no fact has its number");
}

#[tokio::test]
async fn a_task_that_has_ended_is_shown_and_over() {
    let stage = stage().await;
    let id = stage.submit(TWO).await;
    stage.work().await;
    let events = follow(&stage, &id).await.rest().await;
    assert_eq!(names(&events), ["snapshot", "task.completed"]);
    assert_eq!(events[0].data["completed"], 2);
    let id = stage.submit(TWO).await;
    assert_eq!(stage.post(&format!("/tasks/{id}/cancel"), "").await.status, 200);
    let events = follow(&stage, &id).await.rest().await;
    assert_eq!(names(&events), ["snapshot", "task.cancelled"]);
}

#[tokio::test]
async fn a_cancel_ends_the_feed_and_a_replay_begins_another() {
    let stage = stage().await;
    let id = stage.submit(TWO).await;
    stage.fetch(2).await; // whoever runs them is told of the cancel, and settles nothing
    let mut follower = follow(&stage, &id).await;
    follower.until("task.created").await;
    stage.post(&format!("/tasks/{id}/cancel"), "").await;
    let told = follower.rest().await;
    assert_eq!(names(&told), ["subtask.cancelled", "task.cancelled"]);
    assert_eq!(told[0].data["indexes"], json!([0, 1]));
    stage.fold().await;
    assert_eq!(stage.post(&format!("/tasks/{id}/replay"), "").await.status, 202);
    let after = told[0].id.as_deref();
    let follower = Follower::open(&stage.base, &format!("/tasks/{id}/events"), after).await;
    stage.work().await;
    let again = follower.rest().await;
    let names = names(&again);
    assert_eq!(names[..2], ["subtask.requeued", "subtask.requeued"]);
    assert_eq!(names.last(), Some(&"task.completed"));
    assert_eq!(again[0].data["generation"], 1);
}

#[tokio::test]
async fn a_task_that_a_hand_broke_ends_its_own_feed_and_no_other() {
    let stage = stage().await;
    let (broken, sound) = (stage.submit(TWO).await, stage.submit(TWO).await);
    let (mut of_broken, mut of_sound) = (follow(&stage, &broken).await, follow(&stage, &sound).await);
    of_broken.until("task.created").await;
    of_sound.until("task.created").await;
    stage.redis.command(&["HSET", &format!("task:{broken}"), "status", "upside down"]);
    tell(&stage, &[format!("{broken} 0 0 failed 1 0 w 1"), format!("{sound} 0 0 failed 1 0 w 1")]);
    assert_eq!(names(&of_broken.rest().await), ["subtask.failed"]);
    assert_eq!(stage.post(&format!("/tasks/{sound}/cancel"), "").await.status, 200);
    assert_eq!(names(&of_sound.until("task.cancelled").await).last(), Some(&"task.cancelled"));
}

#[tokio::test]
async fn the_feed_of_all_tells_what_was_chosen() {
    let stage = stage().await;
    let earlier = stage.submit(TWO).await;
    let mut all = Follower::open(&stage.base, "/events", None).await;
    let mut some = Follower::open(&stage.base, "/events?types=task.*,subtask.failed", None).await;
    assert!(all.read().await && some.read().await, "they have a place from the start");
    assert_eq!(
        all.last_id.as_deref().map(|id| id.rsplit_once('.').expect("a line").0.to_owned()),
        places(&stage, Some(&earlier)).await.last().map(|id| id.rsplit_once('.').expect("a line").0.to_owned())
    );
    let id = stage.submit(TWO).await;
    stage.work().await;
    let ended = |event: &Event| event.name == "task.completed" && event.data["task_id"] == id.as_str();
    let mut told = [Vec::new(), Vec::new()];
    for (told, follower) in told.iter_mut().zip([&mut all, &mut some]) {
        while !told.last().is_some_and(ended) {
            told.push(follower.next().await.expect("a message"));
        }
    }
    let [all, some] = told;
    for event in &all {
        assert_eq!(event.id.is_some(), event.name != "task.completed", "an end has no place in the log: {event:?}");
    }
    let facts = places(&stage, None).await;
    assert_eq!(ids(&all), facts[1..], "every fact after the first task's creation");
    let of_mine: Vec<&str> =
        some.iter().filter(|it| it.data["task_id"] == id.as_str()).map(|it| it.name.as_str()).collect();
    assert_eq!(of_mine, ["task.created", "task.completed"]);
}

#[tokio::test]
async fn what_names_no_place_or_no_message_is_refused_by_its_name() {
    let stage = stage().await;
    let id = stage.submit(TWO).await;
    let long = "1".repeat(65);
    for bad in ["x", "5", "5-0", "5-0.x", "5-0.0.done", "-1-0.0", &long] {
        let path = format!("/tasks/{id}/events");
        let header = stage.send("GET", &path, &[("last-event-id", bad)], "".into()).await;
        assert_eq!(header.problem(400, "invalid_request")["errors"][0]["pointer"], "/Last-Event-ID", "{bad}");
        let query = stage.get(&format!("{path}?after={bad}")).await;
        assert_eq!(query.problem(400, "invalid_request")["errors"][0]["pointer"], "/after", "{bad}");
        assert!(!query.text.contains(bad) || bad.len() < 5, "nothing is repeated: {}", query.text);
    }
    for lines in ["Last-Event-ID: 5-0.0\u{a0}", "Last-Event-ID: 5-0.0\r\nLast-Event-ID: 6-0.0"] {
        let mut raw = Raw::connect(&stage).await;
        raw.send(format!("GET /events HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n")).await;
        let refused = raw.answer().await;
        assert_eq!(refused.problem(400, "invalid_request")["errors"][0]["pointer"], "/Last-Event-ID", "{lines}");
    }
    stage.get("/events?after=5-0.0.end").await.problem(400, "invalid_request");
    let both = stage.send("GET", "/events?after=yesterday", &[("last-event-id", "5-0.0")], "".into()).await;
    assert_eq!(both.problem(400, "invalid_request")["errors"][0]["pointer"], "/after", "the header excuses nothing");
    for bad in ["", "task", "task.*,", "subtask.done"] {
        let answer = stage.get(&format!("/events?types={bad}")).await;
        assert_eq!(answer.problem(400, "invalid_request")["errors"][0]["pointer"], "/types", "{bad}");
    }
    stage.get("/tasks/01K5QJ0000ABCDEFGHJKMNPQRS/events").await.problem(404, "task_not_found");
    stage.get("/tasks/no%20id/events").await.problem(404, "task_not_found");
}
