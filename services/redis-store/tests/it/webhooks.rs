//! Who is told of ends, and how far the log has been told.

use crate::stage::stage;
use proto_schemas::{Webhook, WebhookEvent, WebhookSecret};
use redis_store::webhooks::{KeptWebhook, ToldPlace};

fn webhook(created_at_ms: u64) -> Webhook {
    Webhook {
        url: "https://example.org/".to_owned(),
        events: vec![WebhookEvent::Failed],
        secrets: vec![WebhookSecret { secret: "whsec_YQ==".to_owned(), until_ms: None }],
        created_at_ms,
    }
}

#[tokio::test]
async fn webhooks_are_kept_listed_in_the_order_of_their_making_ended_and_forgotten() {
    let stage = stage().await;
    for (id, at) in [("wh_b", 2), ("wh_a", 2), ("wh_c", 1)] {
        assert!(stage.store.keep_webhook(id, &webhook(at)).await.unwrap());
    }
    stage.raw(&["HSET", "webhooks", "stranger", "{}", "other", "not json"]);
    let listed = stage.store.webhooks().await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["wh_c", "wh_a", "wh_b"]);
    assert_eq!(listed[0], KeptWebhook { id: "wh_c".to_owned(), webhook: webhook(1), gone_at_ms: None });
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
    for number in 0..100 {
        assert!(stage.store.keep_webhook(&format!("wh_{number}"), &webhook(1)).await.unwrap());
    }
    assert!(!stage.store.keep_webhook("wh_more", &webhook(1)).await.unwrap());
    assert!(stage.store.keep_webhook("wh_5", &webhook(2)).await.unwrap(), "one that is there may change");
    assert_eq!(stage.raw(&["HLEN", "webhooks"]).integer(), 100);
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
