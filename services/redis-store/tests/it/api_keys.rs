//! The API's keys.

use crate::stage::stage;
use proto_schemas::ApiKey;
use redis_store::keep::Kept;

fn key(name: &str, created_at_ms: u64) -> ApiKey {
    ApiKey {
        name: name.to_owned(),
        digest: "d".to_owned(),
        scopes: vec!["read".to_owned()],
        created_at_ms,
        expires_at_ms: None,
        old_digest: None,
        old_until_ms: None,
    }
}

#[tokio::test]
async fn keys_are_kept_listed_in_the_order_of_their_making_and_revoked_once() {
    let stage = stage().await;
    for (id, at) in [("b", 2), ("a", 2), ("c", 1)] {
        assert_eq!(stage.store.keep_api_key(id, None, &key(id, at)).await.unwrap(), Kept::Kept);
    }
    stage.raw(&["HSET", "api-keys", "stranger", "{}", "other", "not json"]);
    let listed = stage.store.api_keys().await.unwrap();
    assert_eq!(listed.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["c", "a", "b"]);
    assert_eq!(listed[0].1, key("c", 1));
    assert_eq!(stage.store.api_key("a").await.unwrap().unwrap().api_key, key("a", 2));
    assert_eq!(stage.store.api_key("none").await.unwrap(), None);
    assert!(stage.store.revoke_api_key("a").await.unwrap());
    assert!(!stage.store.revoke_api_key("a").await.unwrap());
    assert_eq!(stage.store.api_keys().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_is_replaced_only_by_whoever_has_read_it_and_stays_revoked() {
    let stage = stage().await;
    let keep = async |before: Option<&str>, at| stage.store.keep_api_key("a", before, &key("a", at)).await.unwrap();
    assert_eq!(keep(None, 1).await, Kept::Kept);
    let read = stage.store.api_key("a").await.unwrap().unwrap().text;
    assert_eq!(keep(Some(&read), 2).await, Kept::Kept);
    assert_eq!(keep(Some(&read), 2).await, Kept::Kept, "sent again");
    assert_eq!(keep(Some(&read), 3).await, Kept::Changed, "somebody else has rotated it");
    let read = stage.store.api_key("a").await.unwrap().unwrap().text;
    assert!(stage.store.revoke_api_key("a").await.unwrap());
    assert_eq!(keep(Some(&read), 3).await, Kept::Changed, "somebody else has revoked it");
    assert_eq!(stage.store.api_key("a").await.unwrap(), None);
}
