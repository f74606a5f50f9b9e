//! A password opens the server and is never repeated.

use crate::stage::{eventually, stage, store_at};
use redis_store::{RedisConfig, Store};
use std::error::Error;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

const SECOND: Duration = Duration::from_secs(1);

/// Every event that is logged on this thread, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().expect("the log").clone()
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.lock().expect("the log"), "{field}={value:?} ");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// An error and its causes, in every form in which they could be printed.
fn whole(error: &dyn Error) -> String {
    let cause = error.source().map(whole).unwrap_or_default();
    format!("{error} {error:?} {cause}")
}

#[tokio::test]
async fn a_wrong_password_is_named_in_the_log_and_never_printed() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let stage = stage().await;
    stage.raw(&["CONFIG", "SET", "requirepass", "right-secret"]);
    let url = format!("redis://:wrong-secret@127.0.0.1:{}/0", stage.redis.port());
    let config = RedisConfig { url: url.into(), patience: Duration::ZERO };
    let store = Store::connect(&config).unwrap();
    eventually(5 * SECOND, "the reason is logged", async || log.text().contains("WRONGPASS")).await;
    let error = store.now_ms().await.unwrap_err();
    assert!(error.is_transient(), "someone may set it right");
    let printed = format!("{} {config:?} {}", whole(&error), log.text());
    assert!(!printed.contains("secret"), "{printed}");
    stage.raw(&["CONFIG", "SET", "requirepass", "wrong-secret"]);
    assert!(store.wait_connected(5 * SECOND).await, "and then it is right");
    store.now_ms().await.unwrap();
    assert_eq!(log.text().matches("WRONGPASS").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_right_password_and_a_user_are_accepted() {
    let stage = stage().await;
    stage.raw(&["ACL", "SETUSER", "worker", "on", ">its-secret", "~*", "+@all"]);
    stage.raw(&["CONFIG", "SET", "requirepass", "right-secret"]);
    for user in [":right-secret", "worker:its-secret"] {
        store_at(&format!("redis://{user}@127.0.0.1:{}/0", stage.redis.port()), 5 * SECOND).now_ms().await.unwrap();
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_being_repeated() {
    for url in ["", "secret", "redis://:secret@host:port/x", "redis://:secret@host:6379/x", "http://:secret@host"] {
        let config = RedisConfig { url: url.to_owned().into(), patience: SECOND };
        let error = Store::connect(&config).err().unwrap_or_else(|| panic!("{url} is no address"));
        assert!(!whole(&error).contains("secret"), "{}", whole(&error));
    }
}
