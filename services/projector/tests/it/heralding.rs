//! Webhooks are told of ends: once, whoever dies, and of nothing that was before them.

use crate::stage::{SOON, Stage, config, eventually, name, stage};
use projector::Config;
use proto_schemas::{FactKind, Task, TaskStatus, Webhook, WebhookEvent, WebhookSecret};
use redis_store::keep::Kept;
use redis_store::listing::Span;
use redis_store::read::TaskView;
use serde_json::Value;
use std::time::Duration;

async fn make(stage: &Stage, webhook_id: &str, events: &[WebhookEvent]) {
    let webhook = Webhook {
        url: "https://example.org/".to_owned(),
        events: events.to_vec(),
        secrets: vec![WebhookSecret { secret: "whsec_YQ==".to_owned(), until_ms: None }],
        created_at_ms: stage.store.now_ms().await.expect("a time"),
    };
    let kept = stage.store.keep_webhook(webhook_id, None, &webhook).await.expect("an answer");
    assert_eq!(kept, Kept::Kept);
}

/// The tasks that deliver, and the payload of each.
async fn deliveries(stage: &Stage) -> Vec<(Task, Value)> {
    let places = stage.store.newest_tasks(&Span::default(), 1_000).await.expect("places").places;
    let mut found = Vec::new();
    for place in places {
        // One that a hand broke cannot be read.
        let Ok(Some(TaskView { task, .. })) = stage.store.task(&place.task_id).await else { continue };
        if task.subtasks[0].kind.as_str() == "webhook" {
            let payload = serde_json::from_str(task.subtasks[0].params.get()).expect("JSON");
            found.push((task, payload));
        }
    }
    found
}

async fn until_told(stage: &Stage, count: usize) -> Vec<(Task, Value)> {
    eventually(SOON, &format!("{count} deliveries"), async || {
        Some(deliveries(stage).await).filter(|found| found.len() >= count)
    })
    .await
}

/// Waits until the herald has told all of the log.
async fn until_all_told(stage: &Stage) {
    let last = stage.command("XREVRANGE events + - COUNT 1").items()[0].items()[0].text();
    eventually(SOON, "all of the log is told", async || {
        let place = stage.store.told_place().await.expect("an answer");
        place.filter(|place| place.entry_id == last).map(drop)
    })
    .await;
}

/// Waits until a herald has looked twice more: nobody else sets a string so soon.
async fn two_more_rounds(stage: &Stage) {
    let before = stage.calls("set");
    eventually(SOON, "two more rounds", async || (stage.calls("set") >= before + 3).then_some(())).await;
}

#[tokio::test]
async fn each_end_is_told_once_to_each_webhook_that_wants_it() {
    let stage = stage().await;
    stage.submit("before", 1).await;
    stage.complete_all().await;
    let first = stage.start(config("p"));
    stage.until("before", TaskStatus::Completed).await;
    make(&stage, "wh_1", &[WebhookEvent::Completed]).await;
    make(&stage, "wh_2", &WebhookEvent::ALL).await;
    let _second = stage.start(config("p2"));
    stage.submit("good", 3).await;
    stage.complete_all().await;
    stage.submit("bad", 1).await;
    stage.settle("w", &stage.fetch("w", 1).await, FactKind::Failed).await;
    let told = until_told(&stage, 3).await;
    until_all_told(&stage).await;
    let mut words: Vec<String> = told
        .iter()
        .map(|(task, payload)| {
            let event = &payload["event"];
            assert_eq!(event["id"], task.task_id.as_str(), "the receiver knows a repetition by it");
            format!("{} {} {}", payload["webhook_id"], event["type"], event["subject"])
        })
        .collect();
    words.sort();
    assert_eq!(
        words,
        [
            r#""wh_1" "millstream.task.completed" "good""#,
            r#""wh_2" "millstream.task.completed" "good""#,
            r#""wh_2" "millstream.task.failed" "bad""#,
        ]
    );
    assert_eq!(deliveries(&stage).await.len(), 3, "and no delivery is told of itself");
    drop(first);
}

#[tokio::test]
async fn what_was_told_and_not_acknowledged_is_not_delivered_twice() {
    let stage = stage().await;
    make(&stage, "wh_1", &WebhookEvent::ALL).await;
    let running = stage.start(config("p"));
    stage.submit("T", 1).await;
    stage.complete_all().await;
    until_told(&stage, 1).await;
    until_all_told(&stage).await;
    running.stop().await;
    let delivery = deliveries(&stage).await.remove(0).0.task_id;
    for (consumer, open) in [("p2", 1), ("p3", 0)] {
        stage.command("XGROUP SETID events webhooks 0"); // as whoever died before it said how far it was
        let next = stage.start(config(consumer));
        until_all_told(&stage).await;
        assert_eq!(deliveries(&stage).await.len(), 1);
        assert_eq!(stage.store.open_deliveries("wh_1", 0).await.expect("an answer"), open);
        next.stop().await;
        stage.store.end_deliveries("wh_1", std::slice::from_ref(&delivery)).await.expect("an answer");
    }
}

#[tokio::test]
async fn an_end_that_is_not_folded_waits_and_holds_the_log() {
    let stage = stage().await;
    make(&stage, "wh_1", &WebhookEvent::ALL).await;
    stage.store.hold_log_for_webhooks().await.expect("an answer");
    stage.submit("T", 1).await;
    stage.complete_all().await;
    // Read by a projector that has died: nobody claims it as long as its time is long.
    stage.store.read_events(&name("dead"), 100, Duration::from_millis(1)).await.expect("entries");
    let slow = Config { claim_idle: Duration::from_secs(3_600), events_retention: Duration::ZERO, ..config("p") };
    let slow = stage.start(slow);
    stage.submit("other", 1).await;
    two_more_rounds(&stage).await;
    assert_eq!(deliveries(&stage).await.len(), 0);
    assert_eq!(stage.store.told_place().await.expect("an answer").map(|place| place.entry_id), Some("0-0".to_owned()));
    slow.stop().await;
    let _quick = stage.start(config("p2"));
    until_told(&stage, 1).await;
}

#[tokio::test]
async fn the_log_waits_for_webhooks_only_while_there_are_any() {
    let stage = stage().await;
    let _running = stage.start(config("p"));
    make(&stage, "wh_1", &[]).await;
    eventually(SOON, "the log waits", async || stage.store.told_place().await.expect("an answer")).await;
    stage.store.remove_webhook("wh_1").await.expect("an answer");
    eventually(SOON, "it waits no more", async || {
        stage.store.told_place().await.expect("an answer").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_folded_holds_up_the_ends_of_no_other_task_for_ever() {
    let stage = stage().await;
    make(&stage, "wh_1", &WebhookEvent::ALL).await;
    stage.submit("broken", 1).await;
    stage.complete_all().await;
    stage.command("SET outcomes:broken nonsense");
    let _running = stage.start(Config { claim_idle: Duration::from_millis(20), ..config("p") });
    stage.submit("T", 1).await;
    stage.complete_all().await;
    let told = until_told(&stage, 1).await;
    assert_eq!(told[0].1["event"]["subject"], "T");
}

#[tokio::test]
async fn of_a_webhook_that_takes_nothing_only_so_many_deliveries_are_under_way() {
    let stage = stage().await;
    make(&stage, "wh_1", &WebhookEvent::ALL).await;
    make(&stage, "wh_2", &WebhookEvent::ALL).await;
    let now_ms = stage.store.now_ms().await.expect("a time");
    let many: Vec<_> = (0..4_999).map(|number| crate::stage::id(&format!("D{number}"))).collect();
    for some in many.chunks(1_000) {
        stage.store.begin_deliveries("wh_1", some, now_ms).await.expect("an answer");
    }
    let config = config("p");
    let metrics = config.metrics.clone();
    let _running = stage.start(config);
    for task in ["A", "B", "C"] {
        stage.submit(task, 1).await;
    }
    stage.complete_all().await;
    until_told(&stage, 4).await;
    until_all_told(&stage).await;
    let told = deliveries(&stage).await;
    let to = |id: &str| told.iter().filter(|(_, payload)| payload["webhook_id"] == id).count();
    assert_eq!((to("wh_1"), to("wh_2")), (1, 3));
    let text = metrics.registry().text();
    assert!(text.lines().any(|line| line == "millstream_webhook_untold_total 2"), "{text}");
}
