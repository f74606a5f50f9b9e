//! Who is told of ends, and how far the log has been told.

use crate::stage::stage;
use proto_schemas::{TaskId, Webhook, WebhookEvent, WebhookSecret};
use redis_store::keep::Kept;
use redis_store::webhooks::ToldPlace;

fn webhook(created_at_ms: u64) -> Webhook {
    Webhook {
        url: "https://example.org/".to_owned(),
        events: vec![WebhookEvent::Failed],
        secrets: vec![WebhookSecret { secret: "whsec_YQ==".to_owned(), until_ms: None }],
        created_at_ms,
    }
}

fn text(created_at_ms: u64) -> String {
    serde_json::to_string(&webhook(created_at_ms)).expect("JSON")
}

#[tokio::test]
async fn webhooks_are_kept_listed_in_the_order_of_their_making_ended_and_forgotten() {
    let stage = stage().await;
    for (id, at) in [("wh_b", 2), ("wh_a", 2), ("wh_c", 1)] {
        assert_eq!(stage.store.keep_webhook(id, None, &webhook(at)).await.unwrap(), Kept::Kept);
    }
    stage.raw(&["HSET", "webhooks", "stranger", "{}", "other", "not json"]);
    let listed = stage.store.webhooks().await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["wh_c", "wh_a", "wh_b"]);
    assert_eq!((&listed[0].webhook, &listed[0].stored, listed[0].gone_at_ms), (&webhook(1), &text(1), None));
    stage.store.end_webhook("wh_c", 7).await.unwrap();
    stage.store.end_webhook("wh_c", 8).await.unwrap();
    assert_eq!(stage.store.webhook("wh_c").await.unwrap().unwrap().gone_at_ms, Some(7));
    assert_eq!(stage.store.webhooks().await.unwrap()[0].gone_at_ms, Some(7));
    assert!(stage.store.remove_webhook("wh_c").await.unwrap());
    assert!(!stage.store.remove_webhook("wh_c").await.unwrap());
    assert_eq!(stage.raw(&["EXISTS", "webhooks:gone"]).integer(), 0);
    assert_eq!(stage.store.webhook("wh_c").await.unwrap(), None);
}

#[tokio::test]
async fn there_are_a_hundred_and_no_more() {
    let stage = stage().await;
    let keep = async |id: &str, before: Option<String>, at| {
        stage.store.keep_webhook(id, before.as_deref(), &webhook(at)).await.unwrap()
    };
    for number in 0..100 {
        assert_eq!(keep(&format!("wh_{number}"), None, 1).await, Kept::Kept);
    }
    assert_eq!(keep("wh_more", None, 1).await, Kept::Full);
    assert_eq!(keep("wh_5", None, 1).await, Kept::Kept, "sent again");
    assert_eq!(keep("wh_5", Some(text(1)), 2).await, Kept::Kept, "one that is there may change");
    assert_eq!(keep("wh_5", Some(text(1)), 3).await, Kept::Changed, "from what it is");
    assert_eq!(keep("wh_none", Some(text(1)), 3).await, Kept::Changed, "what was deleted does not come back");
    assert_eq!(stage.raw(&["HLEN", "webhooks"]).integer(), 100);
}

#[tokio::test]
async fn what_is_under_way_is_counted_once_until_it_ends_or_is_too_old() {
    let stage = stage().await;
    let id = |text: &str| TaskId::new(text).unwrap();
    let count = async |since| stage.store.open_deliveries("wh_1", since).await.unwrap();
    stage.store.begin_deliveries("wh_1", &[id("A"), id("B")], 5).await.unwrap();
    stage.store.begin_deliveries("wh_1", &[id("B"), id("C")], 7).await.unwrap();
    stage.store.begin_deliveries("wh_1", &[], 7).await.unwrap();
    assert_eq!(count(5).await, 3);
    assert_eq!(stage.store.are_open("wh_1", &[id("C"), id("D"), id("A")]).await.unwrap(), [true, false, true]);
    assert!(stage.store.are_open("wh_1", &[]).await.unwrap().is_empty());
    stage.store.end_deliveries("wh_1", &[]).await.unwrap();
    assert_eq!(count(5).await, 3);
    stage.store.end_deliveries("wh_1", &[id("C"), id("D")]).await.unwrap();
    stage.store.end_deliveries("wh_1", &[id("C")]).await.unwrap();
    assert_eq!(count(5).await, 2);
    assert_eq!(count(6).await, 0);
    stage.store.begin_deliveries("wh_1", &[id("D")], 7).await.unwrap();
    stage.store.remove_webhook("wh_1").await.unwrap();
    assert_eq!(count(0).await, 0);
    stage.store.begin_deliveries("wh_1", &[id("E")], 8).await.unwrap();
    let left_ms = stage.raw(&["PTTL", "webhooks:open:wh_1"]).integer();
    assert!((1..=86_400_000).contains(&left_ms), "what is begun after its end is gone after a day: {left_ms}");
}

#[tokio::test]
async fn the_log_waits_until_it_is_told_and_for_nobody_when_it_is_let_go() {
    let stage = stage().await;
    assert_eq!(stage.store.told_place().await.unwrap(), None);
    stage.store.let_log_go().await.unwrap();
    stage.raw(&["DEL", "events"]);
    assert_eq!(stage.store.told_place().await.unwrap(), None);
    stage.store.let_log_go().await.unwrap();
    stage.store.hold_log_for_webhooks().await.unwrap();
    stage.store.hold_log_for_webhooks().await.unwrap();
    for id in ["5-0", "6-0", "7-0"] {
        stage.raw(&["XADD", "events", id, "facts", "x"]);
    }
    let place = |id: &str, entries| ToldPlace { entry_id: id.to_owned(), entries };
    let found = stage.store.told_place().await.unwrap().unwrap();
    assert_eq!(found.entry_id, "0-0");
    stage.store.told_up_to(&place("6-0", Some(2))).await.unwrap();
    assert_eq!(stage.store.told_place().await.unwrap(), Some(place("6-0", Some(2))));
    stage.store.told_up_to(&place("7-0", None)).await.unwrap();
    assert_eq!(stage.store.told_place().await.unwrap().unwrap().entry_id, "7-0");
    stage.store.let_log_go().await.unwrap();
    assert_eq!(stage.store.told_place().await.unwrap(), None);
}
