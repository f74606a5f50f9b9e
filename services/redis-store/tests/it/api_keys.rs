//! The API's keys.

use crate::stage::stage;
use proto_schemas::ApiKey;

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
        stage.store.keep_api_key(id, &key(id, at)).await.unwrap();
    }
    stage.raw(&["HSET", "api-keys", "stranger", "{}", "other", "not json"]);
    let listed = stage.store.api_keys().await.unwrap();
    assert_eq!(listed.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["c", "a", "b"]);
    assert_eq!(listed[0].1, key("c", 1));
    assert_eq!(stage.store.api_key("a").await.unwrap(), Some(key("a", 2)));
    assert_eq!(stage.store.api_key("none").await.unwrap(), None);
    assert!(stage.store.revoke_api_key("a").await.unwrap());
    assert!(!stage.store.revoke_api_key("a").await.unwrap());
    assert_eq!(stage.store.api_keys().await.unwrap().len(), 2);
}
